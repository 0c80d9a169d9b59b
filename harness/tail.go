package harness

import (
	"strings"
	"sync"
)

// tailSize is how much of a server's output is kept for an error, in bytes.
const tailSize = 4096

// tail keeps the end of what is written to it. It is safe for concurrent use.
type tail struct {
	mu  sync.Mutex
	end []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end = append(t.end, p...)
	if over := len(t.end) - tailSize; over > 0 {
		t.end = append(t.end[:0], t.end[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.end)
}

// quote makes a paragraph of the last lines for an error message, "" if there are none.
func (t *tail) quote() string {
	text := strings.TrimSpace(t.String())
	if text == "" {
		return ""
	}
	lines := strings.Split(text, "\n")
	return "\nits last lines were:\n\t" + strings.Join(lines[max(0, len(lines)-12):], "\n\t")
}
