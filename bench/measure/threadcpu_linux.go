package measure

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// usableCPUs are those that this process may use.
func usableCPUs() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("asking which CPUs may be used: %w", err)
	}
	var all []int
	for cpu := 0; len(all) < set.Count(); cpu++ {
		if set.IsSet(cpu) {
			all = append(all, cpu)
		}
	}
	return all, nil
}

// onCPU moves this thread to a CPU, and measures the CPU time that it needs there.
func onCPU(cpu int, work func() error) (time.Duration, error) {
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return 0, fmt.Errorf("moving to CPU %d: %w", cpu, err)
	}
	var before, after unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &before); err != nil {
		return 0, fmt.Errorf("asking for the CPU time of a thread: %w", err)
	}
	if err := work(); err != nil {
		return 0, err
	}
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &after); err != nil {
		return 0, fmt.Errorf("asking for the CPU time of a thread: %w", err)
	}
	return time.Duration(after.Nano() - before.Nano()), nil
}
