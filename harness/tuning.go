package harness

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

const mebi = 1 << 20

// tuning are the arguments of a throw-away server on a machine with that much
// memory, in bytes; 0 is unknown. MySQL and MariaDB know the same ones but for
// the size of the redo log, hence loose.
func tuning(o Options, memory int64) []string {
	args := []string{"--local-infile=1", "--skip-name-resolve", "--max-allowed-packet=64M"}
	pool, redo := int64(256*mebi), int64(128*mebi)
	if o.Fast {
		args = append(args, "--skip-log-bin", "--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2",
			"--innodb-doublewrite=OFF", "--innodb-flush-method=nosync", "--max-connections=500")
	} else if memory > 0 {
		// A pool that does not hold all indexes reads pages again and again: the clean-up
		// of 10,000,000 tokens examined 3,240 keys a second with 4 GiB, 5,090 with half of
		// 24 GiB. Memory is taken as pages come in. Without room in the redo log a
		// load stalls on checkpoints; with more, Rewind has more to copy.
		pool = max(memory/2, 128*mebi)
		redo = min(max(pool/2, 128*mebi), 2048*mebi)
	}
	args = append(args, size("--innodb-buffer-pool-size", pool),
		size("--loose-innodb-redo-log-capacity", redo), size("--loose-innodb-log-file-size", redo))
	return append(args, o.ServerArgs...)
}

// sqlServerMemory is the memory of a throw-away SQL Server, in bytes. Under 2,000
// MB it does not start.
func sqlServerMemory(o Options, memory int64) int64 {
	if o.Fast {
		return 2048 * mebi
	}
	return min(max(memory/4, 2048*mebi), 4096*mebi)
}

func size(option string, bytes int64) string {
	return option + "=" + strconv.FormatInt(bytes/mebi, 10) + "M"
}

// memory is what this machine has, in bytes; 0 where it is not known.
func memory() int64 {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "MemTotal:"); ok {
			kibi, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kibi << 10
		}
	}
	return 0
}
