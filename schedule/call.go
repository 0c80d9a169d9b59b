package schedule

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/procedure"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// CheckCall refuses arguments of the procedure that would make every run fail,
// with the names of the flags.
func CheckCall(a procedure.Arguments) error {
	switch {
	case !slices.Contains(procedure.Policies(), a.Policy):
		return fmt.Errorf("--policy %s is for comparison with a vendor's script, not for a schedule: use documented or strict", a.Policy)
	case a.SafePeriod < 0:
		return fmt.Errorf("--safe-period %s is negative: tokens that still work would go", a.SafePeriod)
	case a.SafePeriod%time.Second != 0:
		return fmt.Errorf("--safe-period %s: the procedure takes whole seconds", a.SafePeriod)
	case a.Batch < 0 || a.Batch > 1_000_000:
		return fmt.Errorf("--batch %d: use a number from 1 to 1000000, or 0 for the procedure's own", a.Batch)
	case a.Sleep < 0 || a.Sleep > time.Hour || a.Sleep%time.Millisecond != 0:
		return fmt.Errorf("--sleep %s: use 0 to 1h, in whole milliseconds", a.Sleep)
	case a.MaxDuration < 0 || a.MaxDuration%time.Second != 0:
		return fmt.Errorf("--max-duration %s: use 0 for no limit, or whole seconds", a.MaxDuration)
	}
	return nil
}

// Install says what may be made besides the event or job itself.
type Install struct {
	// Plan is the one to make the procedure from if it is not there; nil refuses then.
	Plan *cleanup.Plan
	// EnableScheduler switches the event scheduler on if it is off; not for jobs.
	EnableScheduler bool
}

// undo takes back what was made, in whatever state ctx is.
type undo func(context.Context) error

func nothing(context.Context) error { return nil }

// then takes more back first.
func (u undo) then(first undo) undo {
	return func(ctx context.Context) error { return errors.Join(first(ctx), u(ctx)) }
}

// failed is the error that made an installation stop, after what was made is
// taken back.
func (u undo) failed(ctx context.Context, err error) error {
	return errors.Join(err, u(context.WithoutCancel(ctx)))
}

// hasProcedure looks for the procedure; one of its name that is not ours is refused.
func hasProcedure(ctx context.Context, conn *sql.Conn, d procedure.Dialect, name string) (bool, error) {
	q := d.ProcedureText(name, procedure.Name)
	var text string
	err := conn.QueryRowContext(ctx, q.Text, q.Args...).Scan(&text)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, unavailable(err, "looking for the procedure")
	case text == "" && d.Product() == schema.SQLServer: // it may be run, but not be read
	case !strings.Contains(text, procedure.Mark):
		return false, cleanup.Refuse(fmt.Sprintf("schema %s has a procedure %s that tokensweep did not make", name, procedure.Name), "rename it; it was not touched", nil)
	}
	return true, nil
}

// requireProcedure makes the procedure if a plan for it is given and it is not
// there. undo takes away what this made.
func (o Install) requireProcedure(ctx context.Context, db *sql.DB, conn *sql.Conn, d procedure.Dialect, name string) (undo, error) {
	there, err := hasProcedure(ctx, conn, d, name)
	switch {
	case err != nil || there:
		return nothing, err
	case o.Plan == nil:
		return nil, cleanup.Refuse(fmt.Sprintf("schema %s has no procedure %s, or this user may not run it", name, procedure.Name),
			fmt.Sprintf("make it with tokensweep procedure %s --install, or together with the schedule with --with-procedure", d.Name()), nil)
	}
	if err := procedure.Install(ctx, db, o.Plan); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error { return procedure.Uninstall(ctx, db, d, name) }, nil
}

// try calls the procedure as the schedule will, but in a dry run that ends after
// a second: what would make every run fail shows now.
func try(ctx context.Context, conn *sql.Conn, d procedure.Dialect, a procedure.Arguments) error {
	a.DryRun, a.MaxDuration, a.Sleep = true, time.Second, 0
	call, err := a.Statement(d)
	if err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, call)
	switch d.Classify(err) {
	case dialect.Disconnected, dialect.Unreachable:
		return unavailable(err, "trying the procedure in a dry run")
	case dialect.Denied:
		return cleanup.Refuse("this user may not run the procedure, or its definer may no longer do what it does", "grant EXECUTE on it, or make it anew", err)
	}
	if err != nil {
		return cleanup.Refuse("the procedure fails in a dry run, and would at every run", "mend what it says, then install the schedule", err)
	}
	return nil
}

// unavailable says what was being done when something failed that is not the
// user's mistake.
func unavailable(err error, doing string) error {
	return &cleanup.Error{Problem: doing + " failed", Kind: cleanup.Unavailable, Cause: err}
}
