package schedule

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	mssql "github.com/microsoft/go-mssqldb"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/procedure"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/dialect/sqlserver"
	"github.com/tokensweep/tokensweep/schema"
)

// Numbers of the errors that the script throws itself.
const firstOfScript, lastOfScript = 50401, 50404

// onAgent opens a session on a server that has an Agent; every other is told so.
func onAgent(ctx context.Context, db *sql.DB, work func(*sql.Conn) error) error {
	ready, err := writeSQL("sqlserver-ready", nil)
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return unavailable(err, "connecting")
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, ready); err != nil {
		return agentError(err, "asking for SQL Server Agent")
	}
	return work(conn)
}

// Install makes the job, or replaces the one that an earlier Install made. The
// server has to have an Agent.
func (j Job) Install(ctx context.Context, db *sql.DB, o Install) error {
	t, err := j.text()
	if err != nil {
		return err
	}
	return onAgent(ctx, db, func(conn *sql.Conn) error {
		made, err := o.requireProcedure(ctx, db, conn, j.dialect(), j.schemaName())
		if err != nil {
			return err
		}
		if err := try(ctx, conn, j.dialect(), j.call()); err != nil {
			return made.failed(ctx, err)
		}
		if _, err := conn.ExecContext(ctx, t.Job); err != nil {
			return made.failed(ctx, agentError(err, "making the job "+j.Name))
		}
		return nil
	})
}

// Uninstall drops the job; false if there was none. One that tokensweep did not
// make is refused.
func (j Job) Uninstall(ctx context.Context, db *sql.DB) (dropped bool, err error) {
	err = onAgent(ctx, db, func(conn *sql.Conn) error {
		var description string
		err := conn.QueryRowContext(ctx, "SELECT COALESCE(description, N'') FROM msdb.dbo.sysjobs_view WHERE name = @p1", j.Name).Scan(&description)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return nil
		case err != nil:
			return agentError(err, "looking for the job")
		case !strings.HasPrefix(description, mark):
			return cleanup.Refuse("the job "+j.Name+" was not made by tokensweep schedule", "drop it by hand if you mean it; it was not touched", nil)
		}
		if _, err := conn.ExecContext(ctx, "EXEC msdb.dbo.sp_delete_job @job_name = @p1, @delete_unused_schedule = 1", j.Name); err != nil {
			return agentError(err, "dropping the job")
		}
		dropped = true
		return nil
	})
	return dropped, err
}

// agentError makes a refusal of what the script or Agent says.
func agentError(err error, doing string) error {
	var server mssql.Error
	if !errors.As(err, &server) {
		return unavailable(err, doing)
	}
	switch class := (sqlserver.Dialect{}).Classify(err); {
	case server.Number >= firstOfScript && server.Number <= lastOfScript:
		return cleanup.Refuse(server.Message, "", nil)
	case server.Number == 15281: // Agent XPs
		return cleanup.Refuse("SQL Server Agent does not run on this server",
			"start it (Windows: the service SQL Server Agent; Linux: mssql-conf set sqlagent.enabled true; container: MSSQL_AGENT_ENABLED=true)", err)
	case class == dialect.Denied:
		return cleanup.Refuse("this login may not do that with SQL Server Agent", "in msdb, add a user for it to SQLAgentUserRole, and to db_datareader for --status", err)
	case class == dialect.Disconnected, class == dialect.Unreachable:
		return unavailable(err, doing)
	}
	return cleanup.Refuse(doing+" failed", "nothing was made", err)
}

// jobState is the job as msdb has it; times are in the server's local time.
const jobState = `SELECT j.enabled, COALESCE(j.description, N''), COALESCE(SUSER_SNAME(j.owner_sid), N''), COALESCE(s.enabled, 0),
	COALESCE(s.active_start_date, 0), COALESCE(s.active_start_time, 0), COALESCE(n.next_run_date, 0), COALESCE(n.next_run_time, 0),
	(SELECT COUNT(*) FROM msdb.dbo.sysjobactivity AS a WHERE a.job_id = j.job_id AND a.start_execution_date IS NOT NULL
		AND a.stop_execution_date IS NULL AND a.session_id = (SELECT MAX(session_id) FROM msdb.dbo.syssessions)),
	COALESCE((SELECT CAST(value_in_use AS INT) FROM sys.configurations WHERE name = N'Agent XPs'), 0)
FROM msdb.dbo.sysjobs_view AS j LEFT JOIN msdb.dbo.sysjobschedules AS n ON n.job_id = j.job_id
LEFT JOIN msdb.dbo.sysschedules AS s ON s.schedule_id = n.schedule_id WHERE j.name = @p1`

// jobHistory is the last time that the job came to its end, and the text of the
// last step that failed then.
const jobHistory = `SELECT TOP (1) h.run_status, h.run_date, h.run_time, COALESCE((SELECT TOP (1) f.message FROM msdb.dbo.sysjobhistory AS f
	WHERE f.job_id = h.job_id AND f.step_id > 0 AND f.run_status = 0 ORDER BY f.instance_id DESC), h.message)
FROM msdb.dbo.sysjobhistory AS h JOIN msdb.dbo.sysjobs_view AS j ON j.job_id = h.job_id WHERE j.name = @p1 AND h.step_id = 0 ORDER BY h.instance_id DESC`

// localTime is the zone of Agent's times.
const localTime = "server's local time"

// Status asks the server for the state of the job and of its runs.
func (j Job) Status(ctx context.Context, db *sql.DB) (*Status, error) {
	st := &Status{Kind: "job", Name: j.Name, Schema: j.schemaName(), Zone: localTime, Runs: []Run{}, Problems: []string{}}
	err := onAgent(ctx, db, func(conn *sql.Conn) error {
		found, err := schema.Read(ctx, conn, j.dialect(), st.Schema)
		if err != nil {
			return err
		}
		all, err := procedure.Runs(ctx, conn, j.dialect(), found)
		if err != nil {
			return err
		}
		st.Runs = runs(all)
		running, err := j.state(ctx, conn, st)
		if err != nil || !st.Installed {
			return err
		}
		st.judgeLast(running)
		return j.history(ctx, conn, st)
	})
	return st, err
}

// state fills in the job itself.
func (j Job) state(ctx context.Context, conn *sql.Conn, st *Status) (running bool, err error) {
	var (
		enabled, scheduled, on         bool
		description                    string
		startDate, startTime, date, at int
		active                         int
	)
	err = conn.QueryRowContext(ctx, jobState, j.Name).Scan(&enabled, &description, &st.Definer, &scheduled, &startDate, &startTime, &date, &at, &active, &on)
	if errors.Is(err, sql.ErrNoRows) {
		st.problem("there is no such job, or this login may not see it")
		return false, nil
	}
	if err != nil {
		return false, agentError(err, "looking for the job")
	}
	st.Installed, st.State, st.Scheduler = true, "ENABLED", "ON"
	st.Every, st.Starts, st.Next = strings.TrimPrefix(description, mark+": cleans up OAuth2 tokens "), agentTime(startDate, startTime).Wall, agentTime(date, at)
	if !enabled || !scheduled {
		st.State = "DISABLED"
		st.problem("the job or its schedule is disabled: EXEC msdb.dbo.sp_update_job @job_name = N%s, @enabled = 1, and the same of sp_update_schedule",
			dialect.Literal(j.Name))
	}
	if !on {
		st.Scheduler = "OFF"
		st.problem("SQL Server Agent does not run on this server, so that no job does: start it")
	}
	if !strings.HasPrefix(description, mark) {
		st.problem("it is not as tokensweep schedule made it: its description has been changed")
	}
	return active > 0, nil
}

// history fills in when the job ended last, and how.
func (j Job) history(ctx context.Context, conn *sql.Conn, st *Status) error {
	var outcome, date, at int
	var message string
	err := conn.QueryRowContext(ctx, jobHistory, j.Name).Scan(&outcome, &date, &at, &message)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return agentError(err, "reading the history of the job")
	}
	st.Last = agentTime(date, at)
	if outcome != 1 {
		st.problem("the job of %s did not end well: %s", st.Last, message)
	}
	return nil
}

// agentTime reads Agent's dates (20261201) and times (13000 is 01:30:00).
func agentTime(date, at int) Moment {
	if date == 0 {
		return Moment{}
	}
	wall := time.Date(date/10000, time.Month(date/100%100), date%100, at/10000, at/100%100, at%100, 0, time.UTC)
	return Moment{Wall: wall.Format(time.DateTime), Zone: localTime}
}
