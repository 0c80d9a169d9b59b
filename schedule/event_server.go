package schedule

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/procedure"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/dialect/mysql"
)

// eventServer is a session on MySQL or MariaDB.
type eventServer struct {
	*sql.Conn
	scheduler string // ON, OFF or DISABLED
	mariaDB   bool
	user      string // of the session, as user@host
	zone      string // of the server, if an event says SYSTEM
}

// onEvents opens a session of its own, which ends with work: its time zone and
// sql_mode come back to nobody.
func onEvents(ctx context.Context, db *sql.DB, schema string, work func(*eventServer) error) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return unavailable(err, "connecting")
	}
	defer conn.Close()
	defer conn.Raw(func(any) error { return driver.ErrBadConn })
	s := &eventServer{Conn: conn}
	var version string
	err = conn.QueryRowContext(ctx, "SELECT @@GLOBAL.event_scheduler, VERSION(), CURRENT_USER(), @@system_time_zone").
		Scan(&s.scheduler, &version, &s.user, &s.zone)
	if err != nil {
		return unavailable(err, "asking for the state of the event scheduler")
	}
	if _, err := conn.ExecContext(ctx, mysql.Dialect{}.UseSchema(schema)); err != nil {
		return unavailable(err, "using schema "+schema)
	}
	s.scheduler, s.mariaDB = strings.ToUpper(s.scheduler), strings.Contains(version, "MariaDB")
	return work(s)
}

// foundEvent is an event as the server describes it, times in the event's zone.
type foundEvent struct {
	status, comment, definition, definer, zone string
	every, field, starts                       string
	lastExecuted                               sql.NullString
}

// ours reports whether it is an event that tokensweep made and nobody gave
// another body.
func (f *foundEvent) ours() bool { return f.comment == mark && ourCall.MatchString(f.definition) }

var ourCall = regexp.MustCompile("(?i)\\bCALL\\s+(`(?:[^`]|``)+`\\.)?`" + procedure.Name + "`\\s*\\(")

// onReplica reports whether it came by replication and waits for its server to
// be promoted.
func (f *foundEvent) onReplica() bool {
	return strings.HasSuffix(strings.ReplaceAll(f.status, "_", ""), "SIDEDISABLED")
}

// find looks for the event; nil if there is none that the user may see. MariaDB
// without a scheduler would refuse to look.
func (s *eventServer) find(ctx context.Context, schema, name string) (*foundEvent, error) {
	var f foundEvent
	err := s.QueryRowContext(ctx, `SELECT STATUS, EVENT_COMMENT, EVENT_DEFINITION, DEFINER, TIME_ZONE, COALESCE(INTERVAL_VALUE, ''), COALESCE(INTERVAL_FIELD, ''),
		COALESCE(STARTS, ''), LAST_EXECUTED FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ? AND EVENT_NAME = ?
		AND NOT (@@GLOBAL.event_scheduler = 'DISABLED' AND VERSION() LIKE '%MariaDB%')`, schema, name).
		Scan(&f.status, &f.comment, &f.definition, &f.definer, &f.zone, &f.every, &f.field, &f.starts, &f.lastExecuted)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, unavailable(err, "looking for the event")
	}
	return &f, nil
}

// Install makes the event, or changes the one that an earlier Install made. What
// it cannot do it refuses before anything is made, and what fails on the way is
// taken back. Errors are of type *cleanup.Error where the user can do something.
func (e Event) Install(ctx context.Context, db *sql.DB, o Install) error {
	return onEvents(ctx, db, e.Schema, func(s *eventServer) error {
		verb, err := e.check(ctx, s, o)
		if err != nil {
			return err
		}
		statement, err := e.statement(verb)
		if err != nil {
			return err
		}
		made, err := o.requireProcedure(ctx, db, s.Conn, mysql.Dialect{}, e.Schema)
		if err != nil {
			return err
		}
		if err := e.tryIn(ctx, s); err != nil {
			return made.failed(ctx, err)
		}
		enabled, err := s.enable(ctx, o)
		if err != nil {
			return made.failed(ctx, err)
		}
		if _, err := s.ExecContext(ctx, statement); err != nil {
			return made.then(enabled).failed(ctx, e.explain(s, err))
		}
		return nil
	})
}

// check refuses what cannot work, and says whether to CREATE or to ALTER. It leaves
// the session with the time zone and sql_mode that the event keeps.
func (e Event) check(ctx context.Context, s *eventServer, o Install) (verb string, err error) {
	found, err := s.find(ctx, e.Schema, e.Name)
	if err != nil {
		return "", err
	}
	verb = "CREATE"
	switch {
	case found != nil && !found.ours():
		return "", cleanup.Refuse(fmt.Sprintf("schema %s has an event %s that tokensweep schedule did not make", e.Schema, e.Name),
			"choose another name with --name; it was not touched", nil)
	case found != nil && found.onReplica():
		return "", cleanup.Refuse(fmt.Sprintf("the event %s came here by replication (%s)", e.Name, found.status),
			"install it on the primary; or, if this server has become the primary, run ALTER EVENT "+e.qualified(e.Name)+" ENABLE first", nil)
	case found != nil:
		verb = "ALTER"
	}
	if s.scheduler == "DISABLED" && (o.EnableScheduler || s.mariaDB) { // where MariaDB makes no event
		return "", cleanup.Refuse("the server was started with event_scheduler=DISABLED, which no statement can change",
			"put event_scheduler = ON under [mysqld] in my.cnf and restart the server", nil)
	}
	if err := e.requireDefiner(ctx, s); err != nil {
		return "", err
	}
	return verb, e.enterZone(ctx, s)
}

// requireDefiner refuses an account that does not exist, as far as the user may know.
func (e Event) requireDefiner(ctx context.Context, s *eventServer) error {
	if e.Definer == (Account{}) {
		return nil
	}
	rows, err := s.QueryContext(ctx, "SHOW GRANTS FOR "+e.Definer.SQL())
	if err == nil {
		err = rows.Close()
	}
	if number(err) == 1141 || number(err) == 1133 {
		return cleanup.Refuse("there is no account "+e.Definer.SQL()+" on this server, so that the event could never run",
			"name one with --definer that exists and has EXECUTE on the procedure", err)
	}
	return nil // it may not be asked
}

// enterZone gives the session what the event keeps, and makes sure that server
// and this program mean the same moment by the first run's wall clock.
func (e Event) enterZone(ctx context.Context, s *eventServer) error {
	for _, statement := range e.session() {
		if _, err := s.ExecContext(ctx, statement); err != nil {
			return s.unknownZone(err, "--tz", e.Times.Zone.Name)
		}
	}
	var at int64
	if err := s.QueryRowContext(ctx, "SELECT UNIX_TIMESTAMP(?)", e.Times.Starts.Format(time.DateTime)).Scan(&at); err != nil {
		return unavailable(err, "asking for the time of the first run")
	}
	if want := e.Times.Zone.resolve(e.Times.Starts).Unix(); at != want {
		return cleanup.Refuse(fmt.Sprintf("the server's time zone tables are not up to date: %s in %s is %d s away from what this program knows",
			e.Times.Starts.Format(time.DateTime), e.Times.Zone.Name, at-want), "load them anew ("+s.zoneLoader()+")", nil)
	}
	return nil
}

func (s *eventServer) unknownZone(err error, flag, zone string) error {
	if number(err) != 1298 {
		return unavailable(err, "setting the time zone")
	}
	return cleanup.Refuse(fmt.Sprintf("%s: the server does not know the time zone %s, for its zone tables are empty or lack it", flag, zone),
		"load them ("+s.zoneLoader()+"), or give an offset such as +01:00, which does not follow summer time", err)
}

func (s *eventServer) zoneLoader() string {
	if s.mariaDB {
		return "mariadb-tzinfo-to-sql /usr/share/zoneinfo | mariadb -u root mysql"
	}
	return "mysql_tzinfo_to_sql /usr/share/zoneinfo | mysql -u root mysql"
}

// tryIn tries the procedure in the zone in which it will run, and then gives the
// session back the one that the event keeps.
func (e Event) tryIn(ctx context.Context, s *eventServer) error {
	if _, err := s.ExecContext(ctx, "SET SESSION time_zone = "+e.writersZone()); err != nil {
		return s.unknownZone(err, "--writers-time-zone", e.WritersZone)
	}
	if err := try(ctx, s.Conn, mysql.Dialect{}, e.Call); err != nil {
		return err
	}
	return e.enterZone(ctx, s)
}

// enable switches the event scheduler on if that is wanted.
func (s *eventServer) enable(ctx context.Context, o Install) (undo, error) {
	if !o.EnableScheduler || s.scheduler == "ON" {
		return nothing, nil
	}
	if _, err := s.ExecContext(ctx, "SET GLOBAL event_scheduler = ON"); err != nil {
		return nil, s.notEnabled(err)
	}
	return func(ctx context.Context) error { return s.run(ctx, "SET GLOBAL event_scheduler = "+s.scheduler) }, nil
}

func (s *eventServer) run(ctx context.Context, statement string) error {
	if _, err := s.ExecContext(ctx, statement); err != nil {
		return fmt.Errorf("taking back what was done (%s): %w", statement, err)
	}
	return nil
}

func (s *eventServer) notEnabled(err error) error {
	if (mysql.Dialect{}).Classify(err) != dialect.Denied {
		return unavailable(err, "switching the event scheduler on")
	}
	right := "SYSTEM_VARIABLES_ADMIN"
	if s.mariaDB {
		right = "SUPER"
	}
	return cleanup.Refuse(s.user+" may not switch the event scheduler on",
		fmt.Sprintf("GRANT %s ON *.* TO %s; or have an administrator run SET GLOBAL event_scheduler = ON and leave --enable-scheduler out", right, s.grantee()), err)
}

// grantee is the session's user as GRANT names it.
func (s *eventServer) grantee() string {
	i := strings.LastIndex(s.user, "@")
	return Account{User: s.user[:i], Host: s.user[i+1:]}.SQL()
}

// explain says what to do about a CREATE or ALTER EVENT that was refused.
func (e Event) explain(s *eventServer, err error) error {
	switch class := (mysql.Dialect{}).Classify(err); {
	case number(err) == 1227: // the right to name another definer
		right := "SET_ANY_DEFINER (before MySQL 8.2: SET_USER_ID)"
		if s.mariaDB {
			right = "SET USER"
		}
		return cleanup.Refuse(s.user+" may not make an event that runs as "+e.Definer.SQL(),
			fmt.Sprintf("grant %s ON *.* to %s, or leave --definer out", right, s.grantee()), err)
	case class == dialect.Denied:
		return cleanup.Refuse(s.user+" may not make events in schema "+e.Schema, fmt.Sprintf("GRANT EVENT ON %s.* TO %s", mysql.Dialect{}.Quote(e.Schema), s.grantee()), err)
	case class == dialect.ReadOnly:
		return cleanup.Refuse("the server is read-only", "install the event on the primary", err)
	}
	return unavailable(err, "making the event "+e.Name)
}

// UninstallEvent drops the event of that name; false if there was none. One that
// tokensweep did not make is refused.
func UninstallEvent(ctx context.Context, db *sql.DB, schema, name string) (dropped bool, err error) {
	e := Event{Schema: schema, Name: name}
	err = onEvents(ctx, db, schema, func(s *eventServer) error {
		found, err := s.find(ctx, schema, name)
		switch {
		case err != nil || found == nil:
			return err
		case !found.ours():
			return cleanup.Refuse(fmt.Sprintf("the event %s in schema %s was not made by tokensweep schedule", name, schema),
				"drop it by hand if you mean it; it was not touched", nil)
		}
		if _, err := s.ExecContext(ctx, "DROP EVENT "+e.qualified(name)); err != nil {
			return e.explain(s, err)
		}
		dropped = true
		return nil
	})
	return dropped, err
}

func number(err error) uint16 {
	var server *mysqldriver.MySQLError
	if errors.As(err, &server) {
		return server.Number
	}
	return 0
}
