package schedule

import (
	"embed"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"text/template"
	"time"
)

// Command is the program that a unit runs.
type Command struct {
	Program string   // the path of tokensweep, where it runs
	Args    []string // from "clean" on; no secret is among them
	// MaxDuration is that of the arguments, 0 for none: what ends a run that hangs
	// is set to a little more.
	MaxDuration time.Duration
}

// Place is what a unit needs to know about where it runs.
type Place struct {
	Name        string // of the units or the CronJob
	Environment string // file that sets TOKENSWEEP_DSN; not for Kubernetes
	Image       string // Kubernetes: the container image
	Secret      string // Kubernetes: the Secret whose key dsn is the DSN
}

// DSNVariable is the environment variable in which a unit hands the DSN over.
const DSNVariable = "TOKENSWEEP_DSN"

// grace is what a run gets beyond its own limit before it is ended from outside.
const grace = 5 * time.Minute

//go:embed templates
var templates embed.FS

// unit is what the templates know.
type unit struct {
	Times
	Command
	Place
	Calendar string   // the times as the unit says them
	TimeZone string   // name of the IANA database
	Notes    []string // what there is to say about this one's times
	Variable string
	Deadline int64 // seconds after which a run is ended from outside, 0 for never
	Late     int64 // Kubernetes: seconds that a run may begin late
}

// Crontab is the part of a user's crontab that runs the command. now is the time
// of the call.
func Crontab(t Times, c Command, p Place, now time.Time) (string, error) {
	fields, err := t.cron("cron")
	if err != nil {
		return "", err
	}
	zone, err := t.Zone.iana()
	if err != nil {
		return "", err
	}
	return write("crontab", unit{Times: t, Command: c, Place: p, Calendar: fields, TimeZone: zone, Notes: t.notes("cron", now)})
}

// Systemd are the service and the timer that run the command, in one text with
// the name of each file before it.
func Systemd(t Times, c Command, p Place, now time.Time) (string, error) {
	calendar, err := t.onCalendar()
	if err != nil {
		return "", err
	}
	return write("systemd", unit{Times: t, Command: c, Place: p, Calendar: calendar, Notes: t.notes("systemd", now)})
}

// Kubernetes is the CronJob that runs the command.
func Kubernetes(t Times, c Command, p Place, now time.Time) (string, error) {
	if p.Image == "" {
		return "", fmt.Errorf("--image is missing: name a container image that holds tokensweep")
	}
	fields, err := t.cron("Kubernetes")
	if err != nil {
		return "", err
	}
	zone, err := t.Zone.iana()
	if err != nil {
		return "", err
	}
	return write("kubernetes", unit{Times: t, Command: c, Place: p, Calendar: fields, TimeZone: zone, Notes: t.notes("Kubernetes", now),
		Late: min(3600, t.Every.Seconds())})
}

// notes is what there is to say about the times.
func (t Times) notes(who string, now time.Time) []string {
	var all []string
	if note := t.early(who, now); note != "" {
		all = append(all, note)
	}
	for _, hazard := range t.Hazards() {
		all = append(all, hazard+"; look at that run, or choose another hour.")
	}
	return all
}

func write(name string, u unit) (string, error) {
	u.Variable = DSNVariable
	if u.MaxDuration > 0 {
		u.Deadline = int64((u.MaxDuration + grace).Seconds())
	}
	parsed, err := template.New(name+".tmpl").Funcs(template.FuncMap{"shell": shellWords, "systemd": systemdWords, "yaml": yamlText}).
		ParseFS(templates, "templates/"+name+".tmpl")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if err := parsed.Execute(&b, u); err != nil {
		return "", err
	}
	return b.String(), nil
}

// plain words need no quotes in a shell or for systemd.
var plain = regexp.MustCompile(`^[A-Za-z0-9_./:=,+@-]+$`)

// shellWords writes a command for sh in a line of cron, where % would end it.
func shellWords(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		if quoted[i] = w; !plain.MatchString(w) {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.ReplaceAll(strings.Join(quoted, " "), "%", `\%`)
}

// systemdWords writes a command for ExecStart=, where % and $ mean something.
func systemdWords(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		if quoted[i] = w; !plain.MatchString(w) {
			quoted[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$").Replace(w) + `"`
		}
	}
	return strings.Join(quoted, " ")
}

// yamlText writes a text as YAML; every text of JSON is one of YAML.
func yamlText(text string) (string, error) {
	b, err := json.Marshal(text)
	return string(b), err
}
