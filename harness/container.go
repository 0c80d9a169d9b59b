package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// claimLabel is the label of our containers that says which claim they belong
// to, for people who look at them.
const claimLabel = "org.tokensweep.claim"

// leashScript is put before the image's entry point. It ends the server when
// its standard input ends; that is an attached connection of this process, so
// the container goes with this process however it ends. SIGTERM, because SIGKILL
// does not reach process 1; again and again, because an entry point that still
// prepares the data ignores it; and SIGKILL for all others after a while, because
// one that does not hand the signal on ends with what it waits for.
//
// Its first argument is the data directory of a server that Rewind may be asked
// of, or empty. Such a server, when it was asked to shut down and the file
// rewindFile is there, starts again with the data that it had at the first time.
const leashScript = `
data=$1
shift
exec 3<&0
(cat <&3 >/dev/null; n=0; while kill -TERM 1; do sleep 1; n=$((n+1)); [ $n -lt 5 ] || kill -KILL -1; done) >/dev/null 2>&1 &
[ -n "$data" ] || exec "$@" </dev/null 3<&-
while :; do
	"$@" </dev/null 3<&- &
	server=$!
	trap 'kill -TERM $server' TERM
	wait $server
	code=$?
	while kill -0 $server 2>/dev/null; do wait $server; code=$?; done
	[ $code = 0 ] && [ -e ` + rewindFile + ` ] || exit $code
	[ -e /tokensweep-frozen ] || cp -a "$data" /tokensweep-frozen
	find "$data" -mindepth 1 -delete
	cp -a /tokensweep-frozen/. "$data"
	sync
done
`

// rewindFile in a container says that its server will be started again.
const rewindFile = "/tokensweep-rewind"

// containerKind is what the containers of one product need said differently.
type containerKind struct {
	db       string
	official string // the image of the product's vendor
	variable string // environment variable that names another
	fallback string // image tried where the official one is not here, or ""
	note     string // what to know of the image where it cannot be had, or ""
	port     string
	// allowed refuses what the user has not agreed to; nil for nothing.
	allowed func(Options) error
	// run is that of the testcontainers module.
	run func(ctx context.Context, image string, o ...testcontainers.ContainerCustomizer) (testcontainers.Container, error)
	// options are those of the module, and arguments for the image's own command.
	// memory is the engine's, in bytes.
	options func(o Options, password string, memory int64) (module []testcontainers.ContainerCustomizer, arguments []string)
	// data is the directory that may be in memory for Options.Fast, "" for none.
	data string
	// ready waits until the server at the address takes a login.
	ready func(ctx context.Context, s *containerServer, address string, o Options) (node, error)
}

// runOf makes a plain nil of a module's nil container, which has a type of its own.
func runOf[T any, C interface {
	*T
	testcontainers.Container
}](run func(context.Context, string, ...testcontainers.ContainerCustomizer) (C, error)) func(context.Context, string, ...testcontainers.ContainerCustomizer) (testcontainers.Container, error) {
	return func(ctx context.Context, image string, o ...testcontainers.ContainerCustomizer) (testcontainers.Container, error) {
		c, err := run(ctx, image, o...)
		if c == nil {
			return nil, err
		}
		return c, err
	}
}

// start starts an image on the Docker engine of this machine.
func (k containerKind) start(ctx context.Context, o Options) (_ node, err error) {
	docker, err := connectDocker(ctx)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, &UnavailableError{Wanted: "a container of " + productName(k.db), Reasons: []string{err.Error()}, Err: err}
	}
	image, err := k.image(ctx, docker, o)
	if err != nil {
		return nil, errors.Join(err, docker.Close())
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	sweep(o.log, removeOf(ctx, docker))
	c, err := newClaim()
	if err != nil {
		return nil, errors.Join(err, docker.Close())
	}
	s := &containerServer{claim: c, name: "tokensweep-" + randomHex(6), docker: docker, image: image, kind: k, password: randomPassword(), died: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	o.log("starting a container of %s", image)
	n, err := s.start(ctx, o)
	if err != nil {
		return nil, startFailed("a container of "+image, err, &s.output)
	}
	return n, nil
}

// containerServer is a container in the making, and then the running one.
type containerServer struct {
	claim     *claim
	name      string // known before it is made, so that it is never lost
	docker    *testcontainers.DockerClient
	kind      containerKind
	image     string
	password  string
	local     bool // see isLocal
	container testcontainers.Container
	leash     client.ContainerAttachResult
	output    tail
	died      chan struct{} // closed when the container has ended
	once      sync.Once
	stopped   error
}

func (s *containerServer) start(ctx context.Context, o Options) (node, error) {
	record := s.docker.DaemonHost() + "\n" + s.name + "\n"
	if err := os.WriteFile(filepath.Join(s.claim.dir, containerFile), []byte(record), 0o600); err != nil {
		return nil, err
	}
	options, err := s.options(ctx, o)
	if err != nil {
		return nil, err
	}
	// An interruption waits for the engine, which would still make a container that
	// nobody asks for any more, after its removal failed.
	create, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTimeout)
	defer cancel()
	if s.container, err = s.kind.run(create, s.image, options...); err != nil {
		return nil, err
	}
	address, err := s.address(ctx)
	if err != nil {
		return nil, err
	}
	return s.kind.ready(ctx, s, address, o)
}

// address is where this machine reaches the server.
func (s *containerServer) address(ctx context.Context) (string, error) {
	if !s.local {
		return s.container.PortEndpoint(ctx, s.kind.port, "")
	}
	port, err := s.container.MappedPort(ctx, s.kind.port)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port.Num()))), nil
}

// options describe the container. It publishes its port on this machine only,
// removes itself when it ends, and is not awaited: that is done by logging in.
func (s *containerServer) options(ctx context.Context, o Options) ([]testcontainers.ContainerCustomizer, error) {
	image, err := s.docker.ImageInspect(ctx, s.image)
	if err != nil {
		return nil, err
	}
	info, err := s.docker.Info(ctx, client.InfoOptions{})
	if err != nil {
		return nil, err
	}
	module, arguments := s.kind.options(o, s.password, info.Info.MemTotal)
	command := slices.Concat(image.Config.Entrypoint, image.Config.Cmd, arguments)
	s.local = isLocal(s.docker, info.Info.Name)
	return append(module,
		testcontainers.WithLogger(quiet{}),
		testcontainers.WithEntrypoint("/bin/sh", "-c", leashScript, "tokensweep-leash", s.kind.data),
		testcontainers.WithCmd(command...),
		testcontainers.WithName(s.name),
		testcontainers.WithLabels(map[string]string{claimLabel: s.claim.dir}),
		testcontainers.WithConfigModifier(func(c *container.Config) { c.OpenStdin, c.StdinOnce = true, true }),
		testcontainers.CustomizeRequestOption(func(r *testcontainers.GenericContainerRequest) error {
			r.WaitingFor, r.ExposedPorts = nil, []string{s.kind.port}
			r.LifecycleHooks = append(r.LifecycleHooks, testcontainers.ContainerLifecycleHooks{PreStarts: []testcontainers.ContainerHook{s.attach}})
			return nil
		}),
		testcontainers.WithHostConfigModifier(func(h *container.HostConfig) {
			h.AutoRemove = true
			if s.local {
				h.PortBindings = network.PortMap{network.MustParsePort(s.kind.port): {{HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1})}}}
			}
			if o.Fast && s.kind.data != "" {
				h.Tmpfs = map[string]string{s.kind.data: "rw"}
			}
		}),
	), nil
}

// attach ties the container to this process and listens to what it says.
func (s *containerServer) attach(ctx context.Context, c testcontainers.Container) error {
	var err error
	s.leash, err = s.docker.ContainerAttach(ctx, c.GetContainerID(), client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		return fmt.Errorf("attaching to the container: %w", err)
	}
	go func() {
		_, _ = stdcopy.StdCopy(&s.output, &s.output, s.leash.Reader) // ends when the container does
		close(s.died)
	}()
	return nil
}

// stop removes the container, or what a failed start left of it. Nobody wants
// the data, so the server is not asked to shut down in order.
func (s *containerServer) stop() error {
	s.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		failed := removeContainer(ctx, s.docker, s.name)
		if s.leash.Conn != nil {
			s.leash.Close()
		}
		s.stopped = errors.Join(failed, s.claim.release(), s.docker.Close())
	})
	return s.stopped
}
