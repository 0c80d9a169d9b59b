//go:build !unix

package harness

import (
	"errors"
	"os/exec"
)

const canKeep = false

const serverPID = "server.pid"

type keeper struct{ died chan struct{} }

func startKeeper(string, string, []string) (*keeper, error) { return nil, errors.ErrUnsupported }

func (*keeper) stop() error { return nil }

func groupOfItsOwn(*exec.Cmd) {}

func killServerIn(string) {}
