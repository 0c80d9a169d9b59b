package schedule

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/procedure"
	"github.com/tokensweep/tokensweep/dialect/mysql"
	"github.com/tokensweep/tokensweep/schema"
)

// EventStatus asks the server for the state of an event and of its runs.
func EventStatus(ctx context.Context, db *sql.DB, schemaName, name string) (*Status, error) {
	st := &Status{Kind: "event", Name: name, Schema: schemaName, Runs: []Run{}, Problems: []string{}}
	err := onEvents(ctx, db, schemaName, func(s *eventServer) error {
		st.Scheduler = s.scheduler
		found, err := s.find(ctx, schemaName, name)
		if err != nil {
			return err
		}
		now, err := s.now(ctx)
		if err != nil {
			return err
		}
		if err := s.lastRuns(ctx, st, now, found); err != nil {
			return err
		}
		if found == nil {
			if problem := s.schedulerProblem(); problem != "" {
				st.problem("%s", problem)
			}
			st.problem("there is no such event, or %s has no EVENT privilege to see it", s.user)
			return nil
		}
		s.describe(st, found, now)
		return nil
	})
	return st, err
}

func (s *eventServer) now(ctx context.Context) (time.Time, error) {
	var seconds int64
	if err := s.QueryRowContext(ctx, "SELECT UNIX_TIMESTAMP()").Scan(&seconds); err != nil {
		return time.Time{}, unavailable(err, "asking for the server's time")
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// describe fills in what the server says about an event.
func (s *eventServer) describe(st *Status, f *foundEvent, now time.Time) {
	st.Installed, st.State, st.Definer, st.Starts = true, f.status, f.definer, f.starts
	st.Every, st.Zone = "every "+f.every+" "+strings.ToLower(f.field), f.zone
	times, ok := f.times(s.zone)
	if ok {
		st.Every, st.Zone = times.Every.Phrase(), times.Zone.Name
		st.Last = f.last(times.Zone)
	}
	will := f.status == "ENABLED" && s.scheduler == "ON"
	switch {
	case will && ok:
		st.Next = moment(times.Next(now), times.Zone)
	case will:
		st.problem("when it runs next is not known here: its interval or time zone is none that tokensweep schedule makes")
	}
	if !f.ours() {
		st.problem("it is not as tokensweep schedule made it: its comment or body has been changed")
	}
	switch {
	case f.onReplica():
		st.problem("this server has it by replication and does not run it; if it becomes the primary: ALTER EVENT %s ENABLE", mysql.Dialect{}.Quote(st.Name))
	case f.status != "ENABLED":
		st.problem("it is disabled: ALTER EVENT %s ENABLE", mysql.Dialect{}.Quote(st.Name))
	}
	if problem := s.schedulerProblem(); problem != "" {
		st.problem("%s", problem)
	}
}

// schedulerProblem says how to switch the scheduler on, and to keep it on; "" if it is on.
func (s *eventServer) schedulerProblem() string {
	const file = "event_scheduler = ON under [mysqld] in my.cnf"
	switch {
	case s.scheduler == "ON":
		return ""
	case s.scheduler == "DISABLED":
		return "the event scheduler is DISABLED, so that no event runs: put " + file + " and restart the server"
	case s.mariaDB:
		return "the event scheduler is " + s.scheduler + ", so that no event runs: SET GLOBAL event_scheduler = ON " +
			"(or --install --enable-scheduler), and to keep it on, " + file
	}
	return "the event scheduler is " + s.scheduler + ", so that no event runs: SET PERSIST event_scheduler = ON, which stays on after a restart, or " + file
}

// times are the event's times, if they are such as this package makes. system is
// the server's own zone.
func (f *foundEvent) times(system string) (Times, bool) {
	zone := f.zone
	if zone == "SYSTEM" {
		zone = system
	}
	z, err := ParseZone(zone)
	if err != nil {
		return Times{}, false
	}
	starts, err := time.Parse(time.DateTime, f.starts)
	if err != nil {
		return Times{}, false
	}
	n, err := strconv.ParseInt(f.every, 10, 64)
	if err != nil || n < 1 {
		return Times{}, false
	}
	for unit, field := range intervalFields {
		if field == f.field {
			return Times{Every: Interval{n, unit}, Zone: z, Starts: starts}, true
		}
	}
	return Times{}, false
}

// last is when the event was fired last.
func (f *foundEvent) last(z Zone) Moment {
	wall, err := time.Parse(time.DateTime, f.lastExecuted.String)
	if err != nil {
		return Moment{}
	}
	return moment(z.resolve(wall), z)
}

// lastRuns fills in the runs, and what is wrong with the last one.
func (s *eventServer) lastRuns(ctx context.Context, st *Status, now time.Time, f *foundEvent) error {
	found, err := schema.Read(ctx, s, mysql.Dialect{}, st.Schema)
	if err != nil {
		return err
	}
	all, locked, err := s.runs(ctx, found)
	if err != nil {
		return err
	}
	there, err := hasProcedure(ctx, s.Conn, mysql.Dialect{}, st.Schema)
	if err != nil {
		return err
	}
	if !there {
		st.problem("the procedure %s is not there, or %s may not see it", procedure.Name, s.user)
	}
	st.Runs = runs(all)
	st.judgeLast(locked)
	if f != nil && there {
		if silent := f.silent(all, s.zone, now, locked); silent != "" {
			st.problem("%s", silent)
		}
	}
	return nil
}

// runs are all runs, and whether some session is at work. A run gives the lock back
// after it has written its end: only what is looked at again behind the lock is cut off.
func (s *eventServer) runs(ctx context.Context, found *schema.Database) (all []procedure.Run, locked bool, err error) {
	if all, err = procedure.Runs(ctx, s, mysql.Dialect{}, found); err != nil {
		return nil, false, err
	}
	var holder sql.NullInt64
	if err := s.QueryRowContext(ctx, "SELECT IS_USED_LOCK(?)", cleanup.LockName(found.Name)).Scan(&holder); err != nil {
		return nil, false, unavailable(err, "asking for the run lock")
	}
	if holder.Valid || len(all) == 0 || all[0].Outcome != procedure.Running {
		return all, holder.Valid, nil
	}
	again, err := procedure.Runs(ctx, s, mysql.Dialect{}, found)
	if err != nil {
		return nil, false, err
	}
	return again, len(again) == 0 || again[0].ID != all[0].ID, nil
}

// judgeLast says what is wrong with the last run. locked: some session is at work.
func (st *Status) judgeLast(locked bool) {
	if len(st.Runs) == 0 {
		return
	}
	switch last := st.Runs[0]; {
	case strings.HasPrefix(last.Outcome, procedure.Failed):
		st.problem("the last run of %s failed: %s", last.Started.Format(time.RFC3339), strings.TrimPrefix(last.Outcome, procedure.Failed+": "))
	case last.Outcome == procedure.Running && !locked:
		st.problem("the last run of %s was cut off: its session is gone; the next run begins anew, and what it removed stays removed",
			last.Started.Format(time.RFC3339))
	}
}

// silent says that the event was fired and no run came of it; "" if one did, or if
// it may still come.
func (f *foundEvent) silent(all []procedure.Run, system string, now time.Time, locked bool) string {
	times, ok := f.times(system)
	if !ok || locked {
		return ""
	}
	fired := f.last(times.Zone).UTC
	if fired == nil {
		return ""
	}
	newest := times.Zone.resolve(times.Starts)
	if len(all) > 0 { // newest first
		last := all[0]
		if !last.Started.Before(fired.Add(-time.Second)) || last.Ended.IsZero() || !last.Ended.Before(*fired) {
			return ""
		}
		newest = last.Started
	}
	const patience = time.Minute // for what the procedure looks at before it writes
	if now.Sub(*fired) <= patience && fired.Sub(newest) <= times.Every.Duration()+patience {
		return ""
	}
	return fmt.Sprintf("it was fired at %s, and no run of the procedure came of it: another clean-up held the lock, or the procedure "+
		"refused; see the server's error log, or CALL %s by hand",
		fired.Format(time.RFC3339), procedure.Name)
}
