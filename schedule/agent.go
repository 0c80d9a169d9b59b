package schedule

import (
	"errors"
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/tokensweep/tokensweep/cleanup/procedure"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/dialect/sqlserver"
)

// JobName is the name of a job if the user gives none.
const JobName = "TOKENSWEEP_CLEAN_JOB"

// mark begins the description of a job, and is the comment of an event, that
// tokensweep made. No other is ever touched.
const mark = "tokensweep schedule"

// retries of a job's step, and the minutes between them.
const (
	retries      = 2
	retryMinutes = 10
)

// Job is a job of SQL Server Agent that calls the procedure.
type Job struct {
	Name   string
	Schema string // of the procedure, "" for dbo
	Owner  string // login that the job belongs to, "" for the one that installs it
	// Times are in the local time of the server, unless Zone is set: then in that
	// zone, which has to be an offset, and the server's offset of the moment decides.
	Times Times
	Call  procedure.Arguments
	Local bool // the wall clock is the server's own
}

// ParseJobTimes reads --every, --starts and --tz for Agent, which knows no zone:
// "" is the local time of the server, local is then true; an offset is
// converted by the server; a named zone is refused.
func ParseJobTimes(every, starts, zone string, now time.Time) (t Times, local bool, err error) {
	if t, err = ParseTimes(every, starts, zone, now); err != nil {
		return t, false, err
	}
	if !t.Zone.Fixed {
		return t, false, fmt.Errorf("--tz %s: SQL Server Agent knows only the local time of its server; leave --tz out and "+
			"give --starts in that time, or give an offset such as +01:00, which is converted once and does not follow summer time", t.Zone.Name)
	}
	if !t.Given.IsZero() {
		t.Starts = t.Given // Agent counts from it and makes up for nothing
	}
	_, err = frequencyOf(t.Every)
	return t, zone == "", err
}

// frequency is a schedule as sp_add_schedule takes it.
type frequency struct {
	Type, SubdayType, SubdayInterval, Recurrence int64
	Interval                                     string // a number, or the variable of the week day
}

// frequencyOf refuses what Agent cannot say: within a day it repeats by at least 10
// seconds and at most 100 units, and every day begins anew.
func frequencyOf(every Interval) (frequency, error) {
	i := every.coarsest()
	subday := map[Unit]int64{Second: 2, Minute: 4, Hour: 8}
	switch {
	case i.Unit == Week && i.N <= 100:
		return frequency{Type: 8, Interval: "@weekday", SubdayType: 1, Recurrence: i.N}, nil
	case i.Unit == Day:
		return frequency{Type: 4, Interval: fmt.Sprint(i.N), SubdayType: 1}, nil
	case i.dividesDay() && i.N <= 100 && i.Seconds() >= 10:
		return frequency{Type: 4, Interval: "1", SubdayType: subday[i.Unit], SubdayInterval: i.N}, nil
	case i.Seconds() < 10:
		return frequency{}, errors.New("--every: SQL Server Agent runs at most every 10 seconds")
	}
	return frequency{}, fmt.Errorf("--every %s: SQL Server Agent begins anew every day, so that a day must hold a whole number "+
		"of intervals of at most 100 units; use such as 15m, 6h or 12h, or whole days or weeks", every)
}

func (j Job) schemaName() string {
	if j.Schema == "" {
		return "dbo"
	}
	return j.Schema
}

func (j Job) dialect() sqlserver.Dialect { return sqlserver.Dialect{Schema: j.Schema} }

// call names the number of keys: an argument that is given as NULL is not the
// default of T-SQL. The procedure makes less of it if it has to.
func (j Job) call() procedure.Arguments {
	a := j.Call
	if a.Batch == 0 {
		a.Batch = procedure.DefaultBatch
	}
	return a
}

// jobText is what the templates know.
type jobText struct {
	Times
	Name, Owner, Mark     string
	Description           string
	Procedure, Command    string
	ZonePhrase            string
	Shift, Weekly         bool  // convert the wall clock; run on a day of the week
	Minutes, Repeat       int64 // the zone's offset; seconds of an interval within a day, else 0
	Retries, RetryMinutes int
	Frequency             frequency
	Ready, Exists         string // refuse, the first batch of the script
	Clock, Job            string // computes the first run; makes the job, the second batch
}

func (j Job) text() (jobText, error) {
	f, err := frequencyOf(j.Times.Every)
	if err != nil {
		return jobText{}, err
	}
	command, err := j.call().Statement(j.dialect())
	if err != nil {
		return jobText{}, err
	}
	t := jobText{Times: j.Times, Name: j.Name, Owner: j.Owner, Mark: mark, Procedure: j.dialect().Table(procedure.Name), Command: command, Frequency: f,
		Shift: !j.Local, Weekly: f.Type == 8, Retries: retries, RetryMinutes: retryMinutes, ZonePhrase: "in the local time of the server"}
	if f.SubdayInterval > 0 {
		t.Repeat = j.Times.Every.Seconds()
	}
	if t.Shift {
		_, offset := j.Times.Starts.In(j.Times.Zone.Location).Zone()
		t.Minutes = int64(offset / 60)
		t.ZonePhrase = "at the offset " + j.Times.Zone.Name + " (UTC is +00:00), converted to the server's local time once"
	}
	t.Description = mark + ": cleans up OAuth2 tokens " + j.Times.Every.Phrase()
	for _, part := range []struct {
		name string
		into *string
	}{{"ready", &t.Ready}, {"procedure", &t.Exists}, {"times", &t.Clock}, {"job", &t.Job}} { // the last one holds the one before it
		if *part.into, err = writeSQL("sqlserver-"+part.name, t); err != nil {
			return t, err
		}
	}
	return t, nil
}

// Script makes the job, whoever runs it: two batches with GO between them. The
// first one refuses what cannot work, before the names of Agent's tables are met.
func (j Job) Script() (string, error) {
	t, err := j.text()
	if err != nil {
		return "", err
	}
	return writeSQL("sqlserver-script", t)
}

func writeSQL(name string, data any) (string, error) {
	parsed, err := template.New(name+".tmpl").Funcs(template.FuncMap{"text": dialect.Literal, "inner": inner, "line": line}).ParseFS(templates, "templates/"+name+".tmpl")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if err := parsed.Execute(&b, data); err != nil {
		return "", err
	}
	return b.String(), nil
}

// inner is the text between the quotes of dialect.Literal.
func inner(text string) string { return strings.ReplaceAll(text, "'", "''") }

// line keeps a text on its line of a comment.
func line(text string) string { return strings.NewReplacer("\n", " ", "\r", " ").Replace(text) }
