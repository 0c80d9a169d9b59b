package cleanup

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// errDiscard makes database/sql close a connection instead of pooling it.
var errDiscard = driver.ErrBadConn

// LockName is the name of the lock that keeps two clean-ups of a schema apart, see
// dialect.RunLocker. It fits MySQL's limit of 64 characters whatever the schema's
// name. Procedures that MySQL runs make the same of DATABASE().
func LockName(schemaName string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(schemaName)))
	return "tokensweep-" + hex.EncodeToString(sum[:16])
}

// RebuildJournal is the table in which package rebuild writes what it does, as
// long as it is not done.
const RebuildJournal = "TOKENSWEEP_REBUILD"

// preflight runs every kind of statement of a batch on no rows at all, so that
// a missing privilege or a read-only server shows before the first change, and
// checks that the audit table can hold what will be copied.
func preflight(ctx context.Context, conn *sql.Conn, p *Plan, now *schema.Database) error {
	if _, ok := now.Table(RebuildJournal); ok {
		return Refuse("a rebuild of these tables is not finished: table "+RebuildJournal+" is there", "tokensweep rebuild status says how far it is and what to do", nil)
	}
	nothing := dialect.Text("1 = 0")
	for i := range p.Phases {
		ph := &p.Phases[i]
		probe := func(privilege, table string, q dialect.SQL) error {
			if _, err := conn.ExecContext(ctx, q.Text, q.Args...); err != nil {
				return probeFailed(p, privilege, table, err)
			}
			return nil
		}
		if err := probe("DELETE", ph.Table, dialect.Delete(p.Dialect, ph.Table, nothing)); err != nil {
			return err
		}
		if ph.Audit != nil {
			if err := probeAudit(ctx, conn, p, ph, probe); err != nil {
				return err
			}
		}
		for _, child := range ph.Children {
			if err := probe("DELETE", child.Table(), p.Dialect.DeleteVia(child.Path, nothing)); err != nil {
				return err
			}
		}
	}
	if _, ok := now.Table(LedgerTable); !ok {
		// The privilege to drop is checked even when there is nothing to drop.
		if _, err := conn.ExecContext(ctx, "DROP TABLE IF EXISTS "+p.Dialect.Table(LedgerTable)); err != nil {
			return probeFailed(p, dialect.Ledger, LedgerTable, err)
		}
	}
	return CheckAuditHolds(ctx, conn, p)
}

// probeAudit finds out how removed rows get into the audit table and whether
// they may.
func probeAudit(ctx context.Context, conn *sql.Conn, p *Plan, ph *Phase, probe func(privilege, table string, q dialect.SQL) error) error {
	nothing := dialect.Text("1 = 0")
	audit := *ph.Audit
	audit.Columns = sharedColumns(p, ph)
	audit.At = p.CutOff // any time that the column takes
	mover, ok := ph.mover(p.Dialect)
	if !ok {
		return probe("INSERT", audit.Table, dialect.CopyToAudit(p.Dialect, ph.Table, audit, nothing))
	}
	if !audit.Guarded {
		// The server says so if it does not take the table for OUTPUT INTO, whatever the reason.
		q := mover.Move(ph.Table, audit, nothing)[0]
		_, err := conn.ExecContext(ctx, q.Text, q.Args...)
		ph.Audit.Guarded = p.Dialect.Classify(err) == dialect.Unsupported
		audit.Guarded = ph.Audit.Guarded
	}
	for _, q := range slices.Concat(mover.PrepareMove(ph.Table, *ph.Audit), mover.Move(ph.Table, audit, nothing)) {
		if err := probe("INSERT", audit.Table, q); err != nil {
			return err
		}
	}
	return nil
}

// sharedColumns are the audit columns that exist before any extension.
func sharedColumns(p *Plan, ph *Phase) []string {
	table, _ := p.Found.Table(ph.Audit.Table)
	var shared []string
	for _, c := range ph.Audit.Columns {
		if table.Has(c) {
			shared = append(shared, c)
		}
	}
	return shared
}

func probeFailed(p *Plan, privilege, table string, err error) error {
	switch p.Dialect.Classify(err) {
	case dialect.Denied:
		return Refuse(fmt.Sprintf("the user lacks the privilege %s on %s.%s", privilege, p.Found.Name, table),
			p.Dialect.Grant(privilege, p.Found.Name, table), err)
	case dialect.ReadOnly:
		return Refuse("the server is read-only", "run on the primary, or after read_only is switched off", err)
	}
	return classified(p.Dialect, fmt.Errorf("trying %s on %s: %w", privilege, table, err))
}

// Loss is a column whose data the audit table could not keep.
type Loss struct {
	Column    schema.Column
	Condition string // SQL that is true for the rows that would lose data
	Problem   string // e.g. "holds data and IDN_OAUTH2_ACCESS_TOKEN_AUDIT has no such column"
	Remedy    string
}

// CheckAuditHolds refuses if a live row holds data that the audit table could
// not keep. One scan answers for all columns.
func CheckAuditHolds(ctx context.Context, conn *sql.Conn, p *Plan) error {
	losses := p.Losses()
	if len(losses) == 0 {
		return nil
	}
	table := p.Phases[0].Table
	sums := make([]string, len(losses))
	counts, dest := make([]int64, len(losses)), make([]any, len(losses))
	for i, l := range losses {
		sums[i] = "COALESCE(SUM(CASE WHEN " + l.Condition + " THEN 1 ELSE 0 END), 0)"
		dest[i] = &counts[i]
	}
	q := "SELECT " + strings.Join(sums, ", ") + " FROM " + p.Dialect.Table(table)
	if err := conn.QueryRowContext(ctx, q).Scan(dest...); err != nil {
		return classified(p.Dialect, fmt.Errorf("looking for data in %s that the audit table cannot keep: %w", table, err))
	}
	for i, l := range losses {
		if counts[i] > 0 {
			return Refuse(fmt.Sprintf("%s.%s %s (%d rows)", table, l.Column.Name, l.Problem, counts[i]), l.Remedy, nil)
		}
	}
	return nil
}

// Losses are the columns of which the audit table might not keep what they hold.
func (p *Plan) Losses() []Loss {
	ph := &p.Phases[0]
	if ph.Audit == nil {
		return nil
	}
	live, _ := p.Found.Table(ph.Table)
	audit, _ := p.Found.Table(ph.Audit.Table)
	var all []Loss
	if p.AuditMissing == AuditStop {
		for _, c := range p.Missing {
			all = append(all, Loss{c, holdsData(p.Dialect, c), "holds data and " + audit.Name + " has no such column",
				"add the column there, or choose --audit-missing=extend (adds it) or --audit-missing=drop (loses it)"})
		}
	}
	for _, c := range live.Columns {
		to, ok := audit.Column(c.Name)
		if !ok || to.Length == 0 || to.Length >= c.Length {
			continue
		}
		// Where the length is in bytes, this errs on the safe side for text beyond ASCII.
		all = append(all, Loss{c, fmt.Sprintf("%s > %d", p.Dialect.TextLength(p.Dialect.Quote(c.Name)), to.Length),
			fmt.Sprintf("holds text of more than the %d characters that %s.%s takes", to.Length, audit.Name, to.Name),
			"widen that column, or run with --no-audit"})
	}
	return all
}

// holdsData is true for rows in which a column holds more than its default.
func holdsData(d dialect.Dialect, c schema.Column) string {
	name := d.Quote(c.Name)
	if c.Default == nil || c.Kind == schema.Timestamp {
		return name + " IS NOT NULL"
	}
	return name + " <> '" + strings.ReplaceAll(*c.Default, "'", "''") + "'"
}

// extendAudit adds the missing columns if the user asked for it.
func (w *walker) extendAudit(ctx context.Context) error {
	if !w.plan.Audit || w.plan.AuditMissing != AuditExtend {
		return nil
	}
	for _, c := range w.plan.Missing {
		q := "ALTER TABLE " + w.d.Table(w.plan.Phases[0].Audit.Table) + " ADD " + w.d.Quote(c.Name) + " " + c.Type + " NULL"
		if _, err := w.conn.ExecContext(ctx, q); err != nil {
			return classified(w.d, fmt.Errorf("adding %s to the audit table: %w", c.Name, err))
		}
		w.watch.log("added column %s to %s", c.Name, w.plan.Phases[0].Audit.Table)
	}
	return nil
}

// classified turns the failures that have a remedy into an Error.
func classified(d dialect.Dialect, err error) error {
	if err == nil {
		return nil
	}
	switch d.Classify(err) {
	case dialect.Denied:
		return Refuse("a privilege is missing", "see the list of least privileges in the package documentation of cleanup", err)
	case dialect.ReadOnly:
		return &Error{Problem: "the server is read-only", Remedy: "run on the primary, or after read_only is switched off; what was committed stays", Kind: Refused, Cause: err}
	case dialect.DiskFull:
		return &Error{Problem: "the server has no disk space left", Remedy: "free space in its data directory, then run again: the batch under way was rolled back, earlier ones stay", Kind: Unavailable, Cause: err}
	case dialect.LogFull:
		return &Error{Problem: "the transaction log of the database is full", Kind: Unavailable, Cause: err,
			Remedy: "back the log up (FULL recovery) or let it grow, then run again: the batch under way was rolled back, earlier ones stay"}
	case dialect.BadLogin, dialect.Unreachable:
		return &Error{Problem: "the database cannot be reached", Remedy: "check host, port, user and password", Kind: Unavailable, Cause: err}
	}
	return err
}
