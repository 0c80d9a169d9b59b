package bench

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/mem"
)

// memoryStep is what the memory of a machine is rounded to: the kernel keeps a
// little more or less of it to itself at every start.
const memoryStep = 64 << 20

// ThisMachine describes the machine that the program runs on.
func ThisMachine(ctx context.Context) (Machine, error) {
	processors, err := cpu.InfoWithContext(ctx)
	if err != nil {
		return Machine{}, fmt.Errorf("reading the model of the CPU: %w", err)
	}
	memory, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return Machine{}, fmt.Errorf("reading the size of the memory: %w", err)
	}
	kernel, err := host.KernelVersionWithContext(ctx)
	if err != nil {
		return Machine{}, fmt.Errorf("reading the version of the kernel: %w", err)
	}
	m := Machine{CPU: "unknown", Cores: runtime.GOMAXPROCS(0), Kernel: runtime.GOOS + " " + kernel}
	if len(processors) > 0 && strings.TrimSpace(processors[0].ModelName) != "" {
		m.CPU = strings.Join(strings.Fields(processors[0].ModelName), " ")
	}
	m.Memory = int64((memory.Total + memoryStep/2) / memoryStep * memoryStep)
	return m, nil
}
