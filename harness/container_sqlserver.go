package harness

import (
	"archive/tar"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/microsoft/go-mssqldb/msdsn"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tcmssql "github.com/testcontainers/testcontainers-go/modules/mssql"
)

// sqlServerContainer keeps its data on disk even for Options.Fast: the server
// wants O_DIRECT, which a tmpfs has only in new kernels.
func sqlServerContainer() containerKind {
	return containerKind{
		db: SQLServer, official: "mcr.microsoft.com/mssql/server:2022-latest", variable: "TOKENSWEEP_SQLSERVER_IMAGE",
		note: " (it is for amd64 only)", port: "1433/tcp", allowed: eulaAccepted, run: runOf(tcmssql.Run), ready: sqlServerReady,
		options: func(o Options, password string, memory int64) ([]testcontainers.ContainerCustomizer, []string) {
			return []testcontainers.ContainerCustomizer{
				tcmssql.WithAcceptEULA(), tcmssql.WithPassword(password),
				testcontainers.WithEnv(map[string]string{
					"MSSQL_PID":             "Developer",
					"MSSQL_MEMORY_LIMIT_MB": strconv.FormatInt(sqlServerMemory(o, memory)/mebi, 10),
				}),
			}, nil
		},
	}
}

// eulaVariable is the variable of Microsoft's image itself.
const eulaVariable = "ACCEPT_EULA"

// errEULA says that the user has not accepted Microsoft's licence terms.
var errEULA = errors.New("licence terms not accepted")

func eulaAccepted(o Options) error {
	if o.AcceptEULA || strings.EqualFold(os.Getenv(eulaVariable), "y") {
		return nil
	}
	return &OptionError{Err: errEULA, Problem: "a container of SQL Server needs Microsoft's licence terms (EULA) accepted: " +
		"do so with --accept-eula or " + eulaVariable + "=Y, or name a server of yours in " + sqlServerVariable}
}

// sqlServerReady waits for a login, since the log announces it too early.
func sqlServerReady(ctx context.Context, s *containerServer, address string, o Options) (node, error) {
	// Not encrypted: the certificate that an image makes for itself proves nothing,
	// and those of older images have a negative serial number, which Go refuses.
	u := url.URL{Scheme: "sqlserver", User: url.UserPassword("sa", s.password), Host: address, RawQuery: "encrypt=disable"}
	c, err := msdsn.Parse(u.String())
	if err != nil {
		return nil, errors.New("the connection settings are not usable") // err may hold the password
	}
	n := &sqlServerNode{login: tunedSQLServer(c), via: Container + " " + s.image, fast: o.Fast, end: s.stop, give: s.copyIn}
	quick := *n
	quick.login.DialTimeout = 3 * time.Second
	return n, await(ctx, s.died, func() error {
		return quick.admin(ctx, func(conn *sql.Conn) error {
			_, err := conn.ExecContext(ctx, "SELECT 1")
			return err
		})
	})
}

// copyIn copies a file into the container, where every user of it may read it.
func (s *containerServer) copyIn(ctx context.Context, path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", &OptionError{Problem: fmt.Sprintf("the file %s cannot be read: check the path", path), Err: err}
	}
	defer file.Close()
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no regular file")
	}
	if err != nil {
		return "", &OptionError{Problem: fmt.Sprintf("the file %s cannot be read: %v", path, err), Err: err}
	}
	name := "tokensweep-" + randomHex(6) + filepath.Ext(path)
	// Piped, because a backup can be larger than the memory.
	out, in := io.Pipe()
	go func() { in.CloseWithError(writeTar(in, name, file, info.Size())) }()
	_, err = s.docker.CopyToContainer(ctx, s.container.GetContainerID(), client.CopyToContainerOptions{DestinationPath: "/tmp", Content: out})
	_ = out.CloseWithError(io.ErrClosedPipe) // ends the goroutine if the engine did not read all
	if err != nil {
		return "", fmt.Errorf("copying %s into the container: %w", path, err)
	}
	return "/tmp/" + name, nil
}

// writeTar writes an archive of one file.
func writeTar(w io.Writer, name string, content io.Reader, size int64) error {
	archive := tar.NewWriter(w)
	if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size}); err != nil {
		return err
	}
	if _, err := io.CopyN(archive, content, size); err != nil {
		return err
	}
	return archive.Close()
}
