package harness

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"
)

// Time limits: an engine answers at once or not at all; a pull may take long,
// but not without progress.
const (
	engineTimeout = 5 * time.Second
	searchTimeout = 4 * engineTimeout // testcontainers asks it up to four times
	pullStall     = 20 * time.Second
	ryukStall     = 5 * time.Second // nothing depends on it
	ryukTimeout   = time.Minute
)

// quiet is the logger for testcontainers, whose own prints on standard error.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// dockerSetup guards the settings of testcontainers, which are global to the process.
var dockerSetup struct {
	sync.Mutex
	introduced bool // a client has introduced itself
}

// connectDocker finds the Docker engine. The error is one clause.
func connectDocker(ctx context.Context) (*testcontainers.DockerClient, error) {
	ctx, cancel := context.WithTimeout(ctx, engineTimeout+ryukTimeout)
	defer cancel()
	dockerSetup.Lock()
	defer dockerSetup.Unlock()
	if err := settleRyuk(ctx); err != nil && (os.Getenv("DOCKER_HOST") != "" || ctx.Err() != nil) {
		return nil, err // testcontainers would go on looking at other places
	}
	if !dockerSetup.introduced {
		// The first client introduces itself through the default logger. Later the
		// logger is left alone, because containers that are starting read it.
		defer tclog.SetDefault(tclog.Default())
		tclog.SetDefault(quiet{})
	}
	// An interruption waits for this: testcontainers remembers for the whole process
	// what its first search found, and panics where that was cut short.
	search, done := context.WithTimeout(context.WithoutCancel(ctx), searchTimeout)
	defer done()
	docker, err := testcontainers.NewDockerClientWithOpts(search)
	if err != nil {
		return nil, fmt.Errorf("no Docker engine answers (%s)", engineProblem(err))
	}
	dockerSetup.introduced = true
	if err := answers(ctx, docker.Client); err != nil {
		_ = docker.Close() // the error stays one clause
		return nil, err
	}
	return docker, nil
}

// answers finds out whether an engine is at the other end.
func answers(ctx context.Context, docker *client.Client) error {
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	if _, err := docker.Ping(ctx, client.PingOptions{}); err != nil {
		return fmt.Errorf("no Docker engine answers at %s (%s)", docker.DaemonHost(), engineProblem(err))
	}
	return nil
}

func engineProblem(err error) string {
	switch text := err.Error(); {
	case strings.Contains(text, "permission denied"):
		return "permission denied: become a member of the group docker"
	case strings.Contains(text, "no such file"), strings.Contains(text, "not found"), strings.Contains(text, "annot connect to the Docker daemon"):
		return "is it installed and running?"
	default:
		return strings.SplitN(text, "\n", 2)[0]
	}
}

// ryukSwitch is the setting of testcontainers for its reaper container.
const ryukSwitch = "TESTCONTAINERS_RYUK_DISABLED"

// settleRyuk switches testcontainers' reaper off if nobody has said otherwise
// and its image cannot be had: every container would fail. Ours do not need it,
// see leashScript. It has to be done before testcontainers reads its settings,
// with a client that is not testcontainers'. The error says that no engine
// answers where the environment says.
func settleRyuk(ctx context.Context) error {
	docker, err := client.New(client.FromEnv)
	if err != nil {
		return fmt.Errorf("no Docker engine (%s)", engineProblem(err))
	}
	defer docker.Close()
	if err := answers(ctx, docker); err != nil || os.Getenv(ryukSwitch) != "" {
		return err
	}
	images, err := docker.ImageList(ctx, client.ImageListOptions{Filters: make(client.Filters).Add("reference", "testcontainers/ryuk")})
	if err == nil && len(images.Items) == 0 && pullImage(ctx, docker, ryukImage, ryukStall) != nil {
		os.Setenv(ryukSwitch, "true")
	}
	return nil
}

// ryukImage is the one of testcontainers-go v0.45.0, which does not export it.
const ryukImage = "testcontainers/ryuk:0.14.0"

// image finds an image that is here, or pulls one.
func (k containerKind) image(ctx context.Context, docker *testcontainers.DockerClient, o Options) (string, error) {
	if k.allowed != nil {
		if err := k.allowed(o); err != nil {
			return "", err
		}
	}
	wanted, hint := []string{k.official, k.fallback}, k.note+", and "+k.variable+" names no other"
	if named := firstOf(o.Image, os.Getenv(k.variable)); named != "" {
		wanted, hint = []string{named}, ""
	}
	for _, image := range wanted {
		if image == "" {
			continue
		}
		_, err := docker.ImageInspect(ctx, image)
		if err == nil {
			return image, nil
		}
		if !errdefs.IsNotFound(err) {
			return "", fmt.Errorf("looking for the image %s: %w", image, err)
		}
	}
	o.log("pulling %s", wanted[0])
	if err := pullImage(ctx, docker, wanted[0], pullStall); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", &UnavailableError{
			Wanted:  "a container of " + productName(k.db),
			Reasons: []string{fmt.Sprintf("the image %s is not here and cannot be pulled (%v)%s", wanted[0], err, hint)},
			Err:     err,
		}
	}
	return wanted[0], nil
}

func firstOf(choices ...string) string {
	for _, c := range choices {
		if c != "" {
			return c
		}
	}
	return ""
}

// imagePuller is what pullImage needs of a client.
type imagePuller interface {
	ImagePull(ctx context.Context, image string, o client.ImagePullOptions) (client.ImagePullResponse, error)
}

// pullImage gives up when nothing has come for a while.
func pullImage(ctx context.Context, docker imagePuller, image string, stall time.Duration) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(stall, func() { cancel(fmt.Errorf("no progress for %s", stall)) })
	defer watchdog.Stop()
	pulled, err := docker.ImagePull(ctx, image, client.ImagePullOptions{})
	if err == nil {
		defer pulled.Close()
		for message, failed := range pulled.JSONMessages(ctx) {
			watchdog.Reset(stall)
			if failed == nil && message.Error != nil {
				failed = message.Error
			}
			if failed != nil {
				err = failed
				break
			}
		}
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// isLocal reports whether this machine reaches published ports at 127.0.0.1. It
// does not if the engine is remote, or this process is in a container and the
// engine is outside. A machine that was made from an image looks like a
// container, but then the engine has its name.
func isLocal(docker *testcontainers.DockerClient, engineName string) bool {
	if os.Getenv("TESTCONTAINERS_HOST_OVERRIDE") != "" {
		return false
	}
	scheme, _, _ := strings.Cut(docker.DaemonHost(), "://")
	if scheme != "unix" && scheme != "npipe" {
		return false
	}
	if _, err := os.Stat("/.dockerenv"); err != nil {
		return true
	}
	name, err := os.Hostname()
	return err == nil && name == engineName
}

// removeContainer removes a container that may already be removing itself, and
// returns when it is gone.
func removeContainer(ctx context.Context, docker *testcontainers.DockerClient, id string) error {
	wait := docker.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: "removed"})
	_, err := docker.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil && !errdefs.IsConflict(err) { // conflict: the removal is in progress
		return fmt.Errorf("removing the container %s: %w", id, err)
	}
	select {
	case <-wait.Result:
		return nil
	case err := <-wait.Error:
		if err == nil || errdefs.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("waiting until the container %s is removed: %w", id, err)
	}
}

// containerFile is the file in a claim that says which container belongs to it:
// the engine's address and the container's name, a line each.
const containerFile = "container"

// removeOf makes the function with which sweep removes the container of a stale
// claim. Containers of another engine are left to who uses that.
func removeOf(ctx context.Context, docker *testcontainers.DockerClient) func(record string) (bool, error) {
	return func(record string) (bool, error) {
		engine, name, _ := strings.Cut(strings.TrimSpace(record), "\n")
		if engine != docker.DaemonHost() {
			return false, nil
		}
		return true, removeContainer(ctx, docker, name)
	}
}
