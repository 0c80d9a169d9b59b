package schedule

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/tokensweep/tokensweep/cleanup/procedure"
)

// Status is the state of an event or job, and of its last runs.
type Status struct {
	Kind      string `json:"kind"` // "event" or "job"
	Name      string `json:"name"`
	Schema    string `json:"schema"` // on SQL Server the database
	Installed bool   `json:"installed"`
	State     string `json:"state,omitempty"`     // as the server says it: ENABLED, DISABLED, SLAVESIDE_DISABLED, …
	Scheduler string `json:"scheduler,omitempty"` // ON, OFF or DISABLED
	Definer   string `json:"definer,omitempty"`   // of a job its owner
	Every     string `json:"every,omitempty"`     // as --every, or as the server says it
	Starts    string `json:"starts,omitempty"`    // wall clock in Zone
	Zone      string `json:"time_zone,omitempty"` // of the schedule
	Last      Moment `json:"last_fired"`
	Next      Moment `json:"next"`
	// Runs are the newest, newest first.
	Runs []Run `json:"runs"`
	// Problems say why it does not run, or what went wrong; none means that all is well.
	Problems []string `json:"problems"`
}

// Moment is a wall clock in a time zone; the zero value is never, or not known.
type Moment struct {
	Wall string     `json:"wall,omitempty"` // as "2026-12-01 01:00:00"
	Zone string     `json:"time_zone,omitempty"`
	UTC  *time.Time `json:"utc,omitempty"` // nil if the zone is not known here
}

func (m Moment) String() string {
	switch {
	case m.Wall == "":
		return "-"
	case m.UTC == nil || m.Zone == "UTC":
		return m.Wall + " " + m.Zone
	}
	return fmt.Sprintf("%s %s (%s)", m.Wall, m.Zone, m.UTC.Format(time.RFC3339))
}

// moment is an instant in a zone.
func moment(at time.Time, z Zone) Moment {
	utc := at.UTC()
	return Moment{Wall: z.wall(at).Format(time.DateTime), Zone: z.Name, UTC: &utc}
}

// Run is a run of the procedure, as it accounts for itself in TOKENSWEEP_RUNS.
type Run struct {
	ID      string     `json:"id"`
	Policy  string     `json:"policy"`
	CutOff  time.Time  `json:"cutoff"`
	Started time.Time  `json:"started"`
	Ended   *time.Time `json:"ended,omitempty"`
	Outcome string     `json:"outcome"` // "running", "done", "stopped: …", "failed: …"
	Phases  []RunPhase `json:"phases"`
}

// RunPhase is what a run did to one table.
type RunPhase struct {
	Phase    string `json:"phase"`
	Examined int64  `json:"examined"`
	Removed  int64  `json:"removed"`
	Audited  int64  `json:"audited"`
	Outcome  string `json:"outcome"`
}

// shownRuns is the number of runs that a status has.
const shownRuns = 5

func runs(all []procedure.Run) []Run {
	shown := []Run{}
	for _, r := range all[:min(len(all), shownRuns)] {
		one := Run{ID: r.ID, Policy: string(r.Policy), CutOff: r.CutOff, Started: r.Started, Outcome: r.Outcome}
		if !r.Ended.IsZero() {
			one.Ended = &r.Ended
		}
		for _, p := range r.Phases {
			one.Phases = append(one.Phases, RunPhase{Phase: p.Phase, Examined: p.Examined, Removed: p.Removed, Audited: p.Audited, Outcome: p.Outcome})
		}
		shown = append(shown, one)
	}
	return shown
}

func (s *Status) problem(format string, args ...any) {
	s.Problems = append(s.Problems, fmt.Sprintf(format, args...))
}

// WriteJSON writes the status as one document.
func (s *Status) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(s)
}

// WriteText writes the status for people.
func (s *Status) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if !s.Installed {
		fmt.Fprintf(t, "%s\t%s in %s: not installed\n", s.Kind, s.Name, s.Schema)
	} else {
		fmt.Fprintf(t, "%s\t%s in %s: %s\n", s.Kind, s.Name, s.Schema, s.State)
		fmt.Fprintf(t, "schedule\t%s from %s on, %s\n", s.Every, s.Starts, s.Zone)
		fmt.Fprintf(t, "runs as\t%s\n", s.Definer)
	}
	fmt.Fprintf(t, "scheduler\t%s\n", s.Scheduler)
	if s.Installed {
		fmt.Fprintf(t, "last fired\t%s\nnext\t%s\n", s.Last, s.Next)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, r := range s.Runs {
		writeRun(w, r)
	}
	for _, p := range s.Problems {
		fmt.Fprintf(w, "PROBLEM  %s\n", p)
	}
	return nil
}

func writeRun(w io.Writer, r Run) {
	took := "under way"
	if r.Ended != nil {
		took = r.Ended.Sub(r.Started).String()
	}
	fmt.Fprintf(w, "run %s  %s  %s  policy %s, cut-off %s, %s\n",
		r.ID[:min(8, len(r.ID))], r.Started.Format(time.RFC3339), r.Outcome, r.Policy, r.CutOff.Format(time.RFC3339), took)
	for _, p := range r.Phases {
		fmt.Fprintf(w, "    %s: %s removed, %s audited, %s examined\n", p.Phase, humanize.Comma(p.Removed), humanize.Comma(p.Audited), humanize.Comma(p.Examined))
	}
}
