package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/term"
)

// logTo writes sentences as they come.
func logTo(w io.Writer) func(string, ...any) {
	return func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
}

// How often progress is shown: a terminal's line moves, a log's lines add up.
const (
	terminalEvery = 200 * time.Millisecond
	logEvery      = 10 * time.Second
)

// progress shows how far the work is: one moving line on a terminal, plain
// timestamped lines elsewhere.
type progress struct {
	mu       sync.Mutex
	w        io.Writer
	terminal bool
	stage    string
	began    time.Time
	shown    time.Time
	width    int
}

func newProgress(w io.Writer) *progress {
	file, ok := w.(*os.File)
	return &progress{w: w, terminal: ok && term.IsTerminal(int(file.Fd()))}
}

// show takes the rows done of a stage and of how many, 0 if that is not known.
func (p *progress) show(stage string, done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if stage != p.stage {
		p.clear()
		p.stage, p.began, p.shown = stage, now, now
		return
	}
	every := logEvery
	if p.terminal {
		every = terminalEvery
	}
	if now.Sub(p.shown) < every {
		return
	}
	p.shown = now
	line := p.line(done, total, now)
	if p.terminal {
		fmt.Fprintf(p.w, "\r%-*s", p.width, line)
		p.width = len(line)
		return
	}
	fmt.Fprintf(p.w, "%s %s\n", now.UTC().Format(time.RFC3339), line)
}

func (p *progress) line(done, total int64, now time.Time) string {
	amount := humanize.Comma
	if p.stage == "restore" {
		amount = func(n int64) string { return humanize.IBytes(uint64(n)) }
	}
	seconds := now.Sub(p.began).Seconds()
	line := fmt.Sprintf("%s: %s", p.stage, amount(done))
	if total > 0 {
		line += " of " + amount(total)
	}
	if seconds > 0 {
		line += fmt.Sprintf(", %s/s", amount(int64(float64(done)/seconds)))
	}
	if total > done && done > 0 {
		left := time.Duration(seconds * float64(total-done) / float64(done) * float64(time.Second))
		line += fmt.Sprintf(", about %s left", left.Round(time.Second))
	}
	return line
}

// clear wipes the moving line, so that what follows starts on an empty one.
func (p *progress) clear() {
	if p.terminal && p.width > 0 {
		fmt.Fprintf(p.w, "\r%*s\r", p.width, "")
		p.width = 0
	}
}

func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}
