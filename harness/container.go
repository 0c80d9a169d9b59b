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

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tcmariadb "github.com/testcontainers/testcontainers-go/modules/mariadb"
	tcmysql "github.com/testcontainers/testcontainers-go/modules/mysql"
)

// claimLabel is the label of our containers that says which claim they belong
// to, for people who look at them.
const claimLabel = "org.tokensweep.claim"

// leashScript is put before the image's entry point. It ends the server when
// its standard input ends; that is an attached connection of this process, so
// the container goes with this process however it ends. SIGTERM, because SIGKILL
// does not reach process 1; again and again, because an entry point that still
// prepares the data ignores it.
const leashScript = `
exec 3<&0
(cat <&3 >/dev/null; while kill -TERM 1; do sleep 1; done) >/dev/null 2>&1 &
exec "$@" </dev/null 3<&-
`

// startContainer starts an image on the Docker engine of this machine.
func startContainer(ctx context.Context, o Options, db string) (_ node, err error) {
	docker, err := connectDocker(ctx)
	if err != nil {
		return nil, &UnavailableError{Wanted: "a container of " + productName(db), Reasons: []string{err.Error()}, Err: err}
	}
	image, err := chooseImage(ctx, docker, o, db)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	sweep(o.log, removeOf(ctx, docker))
	c, err := newClaim()
	if err != nil {
		return nil, err
	}
	s := &containerServer{claim: c, name: "tokensweep-" + randomPassword()[:12], docker: docker, image: image, db: db, password: randomPassword(), died: make(chan struct{})}
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
	image, db string
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
	// Either module returns a container along with an error, and a nil of its own
	// type rather than nil if there is none.
	if s.db == MariaDB {
		c, failed := tcmariadb.Run(create, s.image, options...)
		if c != nil {
			s.container = c
		}
		err = failed
	} else {
		c, failed := tcmysql.Run(create, s.image, options...)
		if c != nil {
			s.container = c
		}
		err = failed
	}
	if err != nil {
		return nil, err
	}
	login := mysqldriver.NewConfig()
	login.User, login.Passwd, login.Net = "root", s.password, "tcp"
	if login.Addr, err = s.address(ctx); err != nil {
		return nil, err
	}
	n := &mysqlNode{login: tuned(login), via: Container + " " + s.image, end: s.stop}
	return n, n.settle(ctx, s.died, o.ServerZone)
}

// address is where this machine reaches the server.
func (s *containerServer) address(ctx context.Context) (string, error) {
	if !s.local {
		return s.container.PortEndpoint(ctx, "3306/tcp", "")
	}
	port, err := s.container.MappedPort(ctx, "3306/tcp")
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
	command := slices.Concat(image.Config.Entrypoint, image.Config.Cmd, tuning(o, info.Info.MemTotal))
	login := tcmysql.WithUsername("root")
	password, database := tcmysql.WithPassword(s.password), tcmysql.WithDatabase("")
	if s.db == MariaDB {
		login, password, database = tcmariadb.WithUsername("root"), tcmariadb.WithPassword(s.password), tcmariadb.WithDatabase("")
	}
	s.local = isLocal(s.docker, info.Info.Name)
	return []testcontainers.ContainerCustomizer{
		login, password, database,
		testcontainers.WithLogger(quiet{}),
		testcontainers.WithEntrypoint("/bin/sh", "-c", leashScript, "tokensweep-leash"),
		testcontainers.WithCmd(command...),
		testcontainers.WithName(s.name),
		testcontainers.WithLabels(map[string]string{claimLabel: s.claim.dir}),
		testcontainers.WithConfigModifier(func(c *container.Config) { c.OpenStdin, c.StdinOnce = true, true }),
		testcontainers.CustomizeRequestOption(func(r *testcontainers.GenericContainerRequest) error {
			r.WaitingFor, r.ExposedPorts = nil, []string{"3306/tcp"}
			r.LifecycleHooks = append(r.LifecycleHooks, testcontainers.ContainerLifecycleHooks{PreStarts: []testcontainers.ContainerHook{s.attach}})
			return nil
		}),
		testcontainers.WithHostConfigModifier(func(h *container.HostConfig) {
			h.AutoRemove = true
			if s.local {
				h.PortBindings = network.PortMap{network.MustParsePort("3306/tcp"): {{HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1})}}}
			}
			if o.Fast {
				h.Tmpfs = map[string]string{"/var/lib/mysql": "rw"}
			}
		}),
	}, nil
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
