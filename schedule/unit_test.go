package schedule_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/robfig/cron/v3"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/tokensweep/tokensweep/schedule"
)

var update = flag.Bool("update", false, "write testdata anew; then read the difference as you would read code")

// requireGolden compares with a file of testdata.
func requireGolden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), text)
}

var (
	command = schedule.Command{Program: "/usr/local/bin/tokensweep", MaxDuration: 30 * time.Minute,
		Args: []string{"clean", "--yes", "--policy", "strict", "--max-duration", "30m0s", "--schema", "apim db 100%"}}
	place = schedule.Place{Name: "tokensweep-clean", Environment: "/etc/tokensweep/clean.env", Image: "tokensweep:1.0", Secret: "tokensweep-dsn"}
)

func TestUnitsAsPrinted(t *testing.T) {
	weekly := times(t, "1w", "2026-12-06 02:30", "Europe/Berlin")
	for name, write := range map[string]func(schedule.Times, schedule.Command, schedule.Place, time.Time) (string, error){
		"crontab": schedule.Crontab, "systemd": schedule.Systemd, "cronjob.yaml": schedule.Kubernetes,
	} {
		text, err := write(weekly, command, place, now)
		require.NoError(t, err)
		requireGolden(t, name, text)
	}
}

// fields finds the time of a crontab or CronJob, with its zone as cron/v3 wants it.
func fields(t *testing.T, text string) string {
	t.Helper()
	zone := regexp.MustCompile(`(?m)^(?:CRON_TZ=|  timeZone: ")([^"\n]+)`).FindStringSubmatch(text)
	at := regexp.MustCompile(`(?m)^(?:  schedule: ")?((?:[0-9*/-]+ ){4}[0-9*/-]+)`).FindStringSubmatch(text)
	require.Len(t, zone, 2, text)
	require.Len(t, at, 2, text)
	return "CRON_TZ=" + zone[1] + " " + at[1]
}

// TestCronMeansTheSameTimes: a reader of cron's fields finds the same next runs as
// the schedule says, in winter and in summer.
func TestCronMeansTheSameTimes(t *testing.T) {
	for _, c := range []struct{ every, starts, zone string }{
		{"1w", "2026-12-01 01:00", "Europe/Berlin"}, {"7d", "2026-12-06 23:45", "UTC"}, {"1d", "2026-12-01 01:00", "Europe/Berlin"},
		{"24h", "2026-12-01 13:07", "-08:00"}, {"6h", "2026-12-01 19:10", "+05:00"}, {"12h", "2026-12-01 00:00", ""}, {"1h", "2026-12-01 00:20", ""},
		{"60m", "2026-12-01 00:20", "Asia/Kolkata"}, {"15m", "2026-12-01 00:20", ""}, {"20m", "2026-12-01 00:00", ""}, {"1m", "", ""}, {"60s", "", ""}, {"8h", "", "Asia/Kolkata"},
	} {
		t.Run(c.every+" "+c.starts+" "+c.zone, func(t *testing.T) {
			parsed := times(t, c.every, c.starts, c.zone)
			for _, write := range []func(schedule.Times, schedule.Command, schedule.Place, time.Time) (string, error){schedule.Crontab, schedule.Kubernetes} {
				text, err := write(parsed, command, place, now)
				require.NoError(t, err)
				read, err := cron.ParseStandard(fields(t, text))
				require.NoError(t, err)
				for _, from := range []string{"2026-12-10T00:00:00Z", "2027-03-27T12:00:00Z", "2027-07-01T00:00:00Z", "2027-12-30T00:00:00Z"} {
					at, err := time.Parse(time.RFC3339, from)
					require.NoError(t, err)
					for range 30 {
						want := parsed.Next(at)
						require.Equal(t, want.UTC(), read.Next(at).UTC(), "behind %s", at)
						at = want
					}
				}
			}
		})
	}
}

func TestUnitsRefuseWhatTheyCannotSay(t *testing.T) {
	for _, c := range []struct {
		every, starts, zone string
		says                string // of cron; systemd too unless it can say it
		systemd             string
	}{
		{"36h", "2026-12-01 01:00", "", "cannot run every 36 hours: its times repeat within an hour, a day or a week; use 1d or 1w, or schedule mysql", "use 1d or 1w"},
		{"2w", "2026-12-01 01:00", "", "cannot run every 2 weeks: its times repeat within an hour, a day or a week; use 1w, or", "use 1w, or"},
		{"2d", "2026-12-01 01:00", "", "use 1d or 1w", "use 1d or 1w"},
		{"45m", "", "", "use 30m or 1h", "use 30m or 1h"},
		{"5h", "", "", "use 4h or 6h", "use 4h or 6h"},
		{"30s", "", "", "use 1m", ""},
		{"7s", "", "", "use 1m", "use 6s or 10s"},
		{"1d", "2026-12-01 01:00:30", "", "runs at whole minutes: give --starts without seconds", ""},
		{"1d", "2026-12-01 01:00", "+05:30", "the offset +05:30 cannot be said here, only names of zones: use one such as Asia/Kolkata", "the offset +05:30"},
	} {
		t.Run(c.every+" "+c.starts+" "+c.zone, func(t *testing.T) {
			parsed := times(t, c.every, c.starts, c.zone)
			_, err := schedule.Crontab(parsed, command, place, now)
			require.ErrorContains(t, err, c.says)
			_, err = schedule.Kubernetes(parsed, command, place, now)
			require.ErrorContains(t, err, c.says)
			_, err = schedule.Systemd(parsed, command, place, now)
			if c.systemd == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.systemd)
			}
		})
	}
	_, err := schedule.Kubernetes(times(t, "1h", "", ""), command, schedule.Place{}, now)
	require.ErrorContains(t, err, "--image is missing")
}

// TestOnCalendar: systemd-analyze calendar has read each of these as meant.
func TestOnCalendar(t *testing.T) {
	for _, c := range []struct{ every, starts, zone, want string }{
		{"1w", "2026-12-01 01:00", "Europe/Berlin", "Tue *-*-* 01:00:00 Europe/Berlin"},
		{"1d", "2026-12-01 01:00:30", "+01:00", "*-*-* 01:00:30 Etc/GMT-1"},
		{"6h", "2026-12-01 19:10", "", "*-*-* 01/6:10:00 UTC"},
		{"1h", "2026-12-01 19:10", "", "*-*-* *:10:00 UTC"},
		{"15m", "2026-12-01 19:20", "-08:00", "*-*-* *:05/15:00 Etc/GMT+8"},
		{"30s", "", "", "*-*-* *:*:00/30 UTC"},
		{"1s", "", "", "*-*-* *:*:* UTC"},
	} {
		text, err := schedule.Systemd(times(t, c.every, c.starts, c.zone), command, place, now)
		require.NoError(t, err)
		require.Contains(t, text, "\nOnCalendar="+c.want+"\n")
	}
}

func TestUnitsSayWhenTheyWouldBeginTooEarly(t *testing.T) {
	text, err := schedule.Crontab(times(t, "1d", "2027-06-01 01:00", ""), command, place, now)
	require.NoError(t, err)
	require.Contains(t, text, "# NOTE: cron knows no first date: put it in place after 2027-05-31 01:00:00, or it begins before 2027-06-01 01:00:00.")
	text, err = schedule.Crontab(times(t, "1d", "2026-11-27 01:00", ""), command, place, now)
	require.NoError(t, err)
	require.NotContains(t, text, "NOTE")
}

// cronJob is all that a CronJob of ours has: an unknown key is an error.
type cronJob struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   metadata
	Spec       struct {
		Schedule                   string
		TimeZone                   string `yaml:"timeZone"`
		ConcurrencyPolicy          string `yaml:"concurrencyPolicy"`
		StartingDeadlineSeconds    int64  `yaml:"startingDeadlineSeconds"`
		SuccessfulJobsHistoryLimit int    `yaml:"successfulJobsHistoryLimit"`
		FailedJobsHistoryLimit     int    `yaml:"failedJobsHistoryLimit"`
		JobTemplate                struct {
			Spec struct {
				ActiveDeadlineSeconds int64 `yaml:"activeDeadlineSeconds"`
				BackoffLimit          int   `yaml:"backoffLimit"`
				PodFailurePolicy      struct {
					Rules []map[string]any
				} `yaml:"podFailurePolicy"`
				Template struct {
					Metadata metadata
					Spec     podSpec
				}
			}
		} `yaml:"jobTemplate"`
	}
}

type metadata struct {
	Name   string
	Labels map[string]string
}

type podSpec struct {
	RestartPolicy                 string         `yaml:"restartPolicy"`
	AutomountServiceAccountToken  bool           `yaml:"automountServiceAccountToken"`
	TerminationGracePeriodSeconds int64          `yaml:"terminationGracePeriodSeconds"`
	SecurityContext               map[string]any `yaml:"securityContext"`
	Containers                    []struct {
		Name, Image   string
		Command, Args []string
		Env           []struct {
			Name      string
			ValueFrom struct {
				SecretKeyRef struct{ Name, Key string } `yaml:"secretKeyRef"`
			} `yaml:"valueFrom"`
		}
		Resources       map[string]map[string]string
		SecurityContext map[string]any `yaml:"securityContext"`
	}
}

func TestCronJob(t *testing.T) {
	text, err := schedule.Kubernetes(times(t, "1w", "2026-12-01 01:00", "Europe/Berlin"), command, place, now)
	require.NoError(t, err)
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	var job cronJob
	require.NoError(t, decoder.Decode(&job), text)
	require.Equal(t, []string{"batch/v1", "CronJob", "tokensweep-clean"}, []string{job.APIVersion, job.Kind, job.Metadata.Name})
	require.Equal(t, []string{"0 1 * * 2", "Europe/Berlin", "Forbid"}, []string{job.Spec.Schedule, job.Spec.TimeZone, job.Spec.ConcurrencyPolicy})
	run := job.Spec.JobTemplate.Spec
	require.EqualValues(t, 35*60, run.ActiveDeadlineSeconds, "the run's own limit comes first")
	require.Equal(t, "FailJob", run.PodFailurePolicy.Rules[0]["action"])
	require.Equal(t, "Never", run.Template.Spec.RestartPolicy, "a podFailurePolicy is for that one only")
	container := run.Template.Spec.Containers[0]
	require.Equal(t, run.PodFailurePolicy.Rules[0]["onExitCodes"].(map[string]any)["containerName"], container.Name)
	require.Equal(t, place.Image, container.Image)
	require.Equal(t, command.Program, container.Command[0])
	require.Equal(t, command.Args, container.Args)
	require.Equal(t, schedule.DSNVariable, container.Env[0].Name)
	require.Equal(t, struct{ Name, Key string }{"tokensweep-dsn", "dsn"}, container.Env[0].ValueFrom.SecretKeyRef)

	command := command
	command.MaxDuration = 0
	text, err = schedule.Kubernetes(times(t, "1w", "2026-12-01 01:00", "Europe/Berlin"), command, place, now)
	require.NoError(t, err)
	require.NotContains(t, text, "activeDeadlineSeconds", "a run without a limit is not cut off")
}
