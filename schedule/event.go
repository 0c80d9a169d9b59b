package schedule

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/cleanup/procedure"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/dialect/mysql"
)

// EventName is the name of an event if the user gives none.
const EventName = "TOKENSWEEP_CLEAN_EVENT"

// Event is an event of MySQL or MariaDB that calls the procedure.
type Event struct {
	Name string
	// Schema holds the event and the procedure; "" for the one in use, which only
	// Script can do with.
	Schema  string
	Definer Account // the zero value is the user who makes the event
	Times   Times
	// WritersZone is the time zone of the product's sessions, "" for the server's
	// default at the time of each run. It has nothing to do with the schedule's:
	// the procedure has to read wall clocks in the zone in which they were written.
	WritersZone string
	Call        procedure.Arguments
}

// Account is a user of MySQL or MariaDB.
type Account struct{ User, Host string }

var accountText = regexp.MustCompile("^(?:'([^']+)'|`([^`]+)`|([^'`@]+))(?:@(?:'([^']+)'|`([^`]+)`|([^'`@]+)))?$")

// ParseAccount reads user@host, with or without quotes; the host is % if there is none.
func ParseAccount(text string) (Account, error) {
	p := accountText.FindStringSubmatch(text)
	if p == nil {
		return Account{}, fmt.Errorf("%q is no account: write user@host", text)
	}
	a := Account{User: p[1] + p[2] + p[3], Host: p[4] + p[5] + p[6]}
	if a.Host == "" {
		a.Host = "%"
	}
	return a, nil
}

// SQL is the account as a statement names it.
func (a Account) SQL() string {
	if a == (Account{}) {
		return "CURRENT_USER"
	}
	return mysql.Dialect{}.Quote(a.User) + "@" + mysql.Dialect{}.Quote(a.Host)
}

// intervalFields are units as CREATE EVENT names them.
var intervalFields = map[Unit]string{Second: "SECOND", Minute: "MINUTE", Hour: "HOUR", Day: "DAY", Week: "WEEK"}

// session are the statements before CREATE or ALTER: what the event keeps.
func (e Event) session() []string {
	return []string{"SET SESSION time_zone = " + dialect.Literal(mysqlZone(e.Times.Zone)), "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'"}
}

// mysqlZone needs no zone tables for UTC.
func mysqlZone(z Zone) string {
	if z.Location == time.UTC {
		return "+00:00"
	}
	return z.Name
}

// statement makes the event; with the verb ALTER it changes the one that is there.
func (e Event) statement(verb string) (string, error) {
	body, err := e.body()
	return fmt.Sprintf("%s DEFINER = %s EVENT %s\n  ON SCHEDULE EVERY %d %s STARTS '%s'\n  ON COMPLETION PRESERVE ENABLE\n  COMMENT '%s'\n  DO %s",
		verb, e.Definer.SQL(), e.qualified(e.Name), e.Times.Every.N, intervalFields[e.Times.Every.Unit], e.Times.Starts.Format(time.DateTime), mark, body), err
}

// body sets the writers' zone, because the session of an event is in the zone of
// its schedule: there a token of 01:00 would be read as of another hour. The test of
// the lock keeps a run that would fail out of the server's error log; the
// procedure takes the lock itself.
func (e Event) body() (string, error) {
	call, err := e.Call.Statement(mysql.Dialect{})
	return strings.Join([]string{
		"BEGIN",
		"    -- The tokens' wall clocks are read in the time zone of those who write them, whatever the zone of the schedule.",
		"    SET SESSION time_zone = " + e.writersZone() + ";",
		"    -- Not while another clean-up holds the lock of this schema.",
		"    IF COALESCE(IS_FREE_LOCK(CONCAT('tokensweep-', LEFT(SHA2(LOWER(DATABASE()), 256), 32))), 1) THEN",
		"      " + call + ";",
		"    END IF;",
		"  END"}, "\n"), err
}

// writersZone is an expression.
func (e Event) writersZone() string {
	if e.WritersZone != "" {
		return dialect.Literal(e.WritersZone)
	}
	return "@@GLOBAL.time_zone"
}

func (e Event) qualified(name string) string {
	d := mysql.Dialect{}
	if e.Schema == "" {
		return d.Quote(name)
	}
	return d.Quote(e.Schema) + "." + d.Quote(name)
}

// Script makes the event, by the command-line clients of MySQL and MariaDB and
// whatever else knows DELIMITER. It replaces nothing.
func (e Event) Script() (string, error) {
	definer := "whoever runs this"
	if e.Definer != (Account{}) {
		definer = e.Definer.SQL()
	}
	create, err := e.statement("CREATE")
	if err != nil {
		return "", err
	}
	return writeSQL("event", struct {
		Times
		Schema, Callee, QuotedName, Create, DefinerPhrase string
		Session, Notes                                    []string
	}{e.Times, e.Schema, procedure.Name, e.qualified(e.Name), create, definer, e.session(), e.Notes()})
}

// Notes are what the user should know about the times of the event.
func (e Event) Notes() []string {
	var all []string
	if !e.Times.Given.IsZero() {
		all = append(all, fmt.Sprintf("%s is over: the first run is the next of its times, %s.",
			e.Times.Given.Format(time.DateTime), e.Times.Starts.Format(time.DateTime)))
	}
	for _, hazard := range e.Times.Hazards() {
		all = append(all, hazard+": that run is when the clocks have changed, or the first time of two.")
	}
	return all
}
