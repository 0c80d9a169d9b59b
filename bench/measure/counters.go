package measure

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/bench"
	"github.com/tokensweep/tokensweep/dialect"
)

// counters are what a MySQL or MariaDB counts since its start.
type counters map[string]int64

// counted are the status variables that are recorded, and as what. Purge adds to
// those withPurge; the others are read as soon as the engine ends, because asking
// whether purge is done adds to them.
var counted = []struct {
	metric, variable string
	of               func(name string, n int64) bench.Metric
	withPurge        bool
}{
	{"server-statements", "Questions", bench.Counted, false},
	{"server-commits", "Handler_commit", bench.Counted, false},
	{"lock-waits", "Innodb_row_lock_waits", bench.Counted, false},
	{"pages-read", "Innodb_pages_read", bench.Counted, true},
	{"pages-written", "Innodb_pages_written", bench.Counted, true},
	{"page-requests", "Innodb_buffer_pool_read_requests", bench.Counted, true},
	{"flushes", "Innodb_os_log_fsyncs", bench.Counted, true},
	{"redo", "Innodb_os_log_written", bench.Size, true},
	{"received", "Bytes_received", bench.Size, false},
	{"sent", "Bytes_sent", bench.Size, false},
}

// readCounters asks the server.
func readCounters(ctx context.Context, db *sql.DB) (counters, error) {
	all := counters{}
	err := eachVariable(ctx, db, "SHOW GLOBAL STATUS", func(name, value string) {
		if n, err := strconv.ParseInt(value, 10, 64); err == nil { // others are texts and fractions
			all[name] = n
		}
	})
	if err != nil {
		return nil, fmt.Errorf("reading the server's counters: %w", err)
	}
	all[binlogBytes], err = readBinlog(ctx, db)
	return all, err
}

// eachVariable runs a query for names and values.
func eachVariable(ctx context.Context, db *sql.DB, query string, visit func(name, value string)) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return err
		}
		visit(name, value)
	}
	return rows.Err()
}

const binlogBytes = "binlog bytes"

// readBinlog adds up the binary logs; 0 where they are switched off.
func readBinlog(ctx context.Context, db *sql.DB) (total int64, err error) {
	var on string
	if err := db.QueryRowContext(ctx, "SELECT @@global.log_bin").Scan(&on); err != nil || on == "0" {
		return 0, err
	}
	rows, err := db.QueryContext(ctx, "SHOW BINARY LOGS")
	if err != nil {
		return 0, fmt.Errorf("reading the size of the binary log: %w", err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	for rows.Next() {
		values := make([]any, len(columns))
		var size int64
		for i, c := range columns {
			values[i] = new(sql.RawBytes)
			if strings.EqualFold(c, "File_size") {
				values[i] = &size
			}
		}
		if err := rows.Scan(values...); err != nil {
			return 0, fmt.Errorf("reading the size of the binary log: %w", err)
		}
		total += size
	}
	return total, rows.Err()
}

// metrics are what was counted from before an engine to its end, and to that of
// purge.
func metrics(before, done, settled counters) []bench.Metric {
	var all []bench.Metric
	for _, c := range counted {
		after := done
		if c.withPurge {
			after = settled
		}
		if n, ok := after[c.variable]; ok {
			all = append(all, c.of(c.metric, max(n-before[c.variable], 0)))
		}
	}
	return append(all, bench.Size("binlog", max(done[binlogBytes]-before[binlogBytes], 0)))
}

// speedSettings are those of the server that speed depends on; each product lacks some.
var speedSettings = []string{"innodb_buffer_pool_size", "innodb_flush_log_at_trx_commit", "innodb_doublewrite", "innodb_flush_method", "log_bin",
	"sync_binlog", "binlog_row_image", "innodb_redo_log_capacity", "innodb_log_file_size", "innodb_page_size"}

// settings reads them.
func settings(ctx context.Context, db *sql.DB) (map[string]string, error) {
	all := map[string]string{}
	err := eachVariable(ctx, db, "SHOW GLOBAL VARIABLES WHERE Variable_name IN ("+dialect.Literals(speedSettings)+")", func(name, value string) { all[name] = value })
	if err != nil {
		return nil, fmt.Errorf("reading the server's settings: %w", err)
	}
	return all, nil
}

// purgeTimeout bounds the wait for a server to purge what was deleted.
const purgeTimeout = 10 * time.Minute

// awaitPurge waits until the versions that deletes leave are gone: until then the
// work is not done, only put off.
func awaitPurge(ctx context.Context, db *sql.DB, quiet int64) error {
	ctx, cancel := context.WithTimeout(ctx, purgeTimeout)
	defer cancel()
	// By default the length is brought up to date only with every 128th batch of purge.
	if _, err := db.ExecContext(ctx, "SET GLOBAL innodb_purge_rseg_truncate_frequency = 1"); err != nil {
		return fmt.Errorf("asking the server to say at once what it has purged: %w", err)
	}
	for {
		length, err := history(ctx, db)
		if err != nil {
			return err
		}
		if length <= quiet {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server has not purged what was deleted: %d entries left: %w", length, ctx.Err())
		case <-time.After(20 * time.Millisecond): // the server tells nobody when it is done
		}
	}
}

// history is the length of InnoDB's history list.
func history(ctx context.Context, db *sql.DB) (n int64, err error) {
	err = db.QueryRowContext(ctx, "SELECT `COUNT` FROM information_schema.INNODB_METRICS WHERE NAME = 'trx_rseg_history_len'").Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("asking for the length of the history list: %w", err)
	}
	return n, nil
}
