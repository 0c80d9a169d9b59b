package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	gopsutil "github.com/shirou/gopsutil/v4/process"
)

// Usage is what a server has used of the machine.
type Usage struct {
	CPU    time.Duration // by all its threads since it was made; a process counts anew after Rewind
	Memory int64         // bytes at this moment
}

// Usage asks how much a throw-away server uses. Others are refused with an
// [*OptionError].
func (t *Target) Usage(ctx context.Context) (Usage, error) {
	n, ok := t.node.(*mysqlNode)
	if !ok || n.usage == nil {
		return Usage{}, &OptionError{Problem: fmt.Sprintf("what %s uses of its machine cannot be measured: use a throw-away MySQL or MariaDB", t.Server)}
	}
	return n.usage(ctx)
}

// usage asks the container engine.
func (s *containerServer) usage(ctx context.Context) (Usage, error) {
	stats, err := s.docker.ContainerStats(ctx, s.container.GetContainerID(), client.ContainerStatsOptions{})
	if err != nil {
		return Usage{}, fmt.Errorf("asking what the container uses: %w", err)
	}
	defer stats.Body.Close()
	var found container.StatsResponse
	if err := json.NewDecoder(stats.Body).Decode(&found); err != nil {
		return Usage{}, fmt.Errorf("asking what the container uses: %w", err)
	}
	// What the server has mapped and allocated; the cache of files is the machine's.
	memory := found.MemoryStats.Stats["anon"] // cgroup v2
	if memory == 0 {
		memory = found.MemoryStats.Stats["rss"] // v1
	}
	return Usage{CPU: time.Duration(found.CPUStats.CPUUsage.TotalUsage), Memory: int64(memory)}, nil
}

// usage reads what the kernel says of the server's process.
func (p *process) usage(ctx context.Context) (Usage, error) {
	id, err := os.ReadFile(p.path(serverPID))
	if err != nil {
		return Usage{}, fmt.Errorf("finding the server's process: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(id)))
	if err != nil {
		return Usage{}, fmt.Errorf("finding the server's process: %w", err)
	}
	return processUsage(ctx, pid)
}

func processUsage(ctx context.Context, pid int) (Usage, error) {
	p, err := gopsutil.NewProcessWithContext(ctx, int32(pid))
	if err != nil {
		return Usage{}, fmt.Errorf("finding process %d: %w", pid, err)
	}
	times, err := p.TimesWithContext(ctx)
	if err != nil {
		return Usage{}, fmt.Errorf("asking what process %d uses: %w", pid, err)
	}
	memory, err := p.MemoryInfoWithContext(ctx)
	if err != nil {
		return Usage{}, fmt.Errorf("asking what process %d uses: %w", pid, err)
	}
	return Usage{CPU: time.Duration((times.User + times.System) * float64(time.Second)), Memory: int64(memory.RSS)}, nil
}

// OwnUsage is what this process has used.
func OwnUsage(ctx context.Context) (Usage, error) { return processUsage(ctx, os.Getpid()) }
