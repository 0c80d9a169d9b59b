package rebuild

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
)

// privileges are those that a rebuild needs on the schema.
const privileges = "INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, TRIGGER, LOCK TABLES"

func (r *run) grants() string { return r.d.Grant(privileges, r.schema, "*") }

// check refuses what a rebuild cannot do. It changes nothing.
func (r *run) check(ctx context.Context) error {
	if err := r.checkQuietly(ctx); err != nil {
		return err
	}
	return r.checkUse(ctx)
}

// checkQuietly is what of it nobody notices who uses the tables.
func (r *run) checkQuietly(ctx context.Context) error {
	for _, do := range []func(context.Context) error{
		r.checkPlan, r.checkConnections, r.checkServer, r.checkTables, r.checkKeys, r.readDefinitions, r.checkTriggers, r.checkAudit, r.checkRoom,
	} {
		if err := do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// checkPlan compares the tables with those that the plan was made for.
func (r *run) checkPlan(context.Context) error {
	for _, t := range r.tables {
		planned, ok := r.plan.Found.Table(t.found.Name)
		if !ok || !reflect.DeepEqual(planned, t.found) {
			return cleanup.Refuse(fmt.Sprintf("table %s has changed since the plan was made", t.found.Name), "run again", nil)
		}
	}
	return nil
}

// checkConnections counts the main session, the gate and one more, one for each table,
// and three for each worker: two copy, one audits.
func (r *run) checkConnections(context.Context) error {
	need := 3 + len(r.tables) + 3*r.Workers
	if limit := r.db.Stats().MaxOpenConnections; limit > 0 && limit < need {
		return cleanup.Refuse(fmt.Sprintf("a rebuild needs %d connections, and the pool allows %d", need, limit), "allow more", nil)
	}
	return nil
}

func (r *run) checkServer(ctx context.Context) error {
	for _, q := range r.d.Clustered() {
		if found, err := r.main().texts(ctx, q); err == nil && len(found) > 0 { // servers lack the one or the other
			return cleanup.Refuse("the server writes with others ("+found[0][0]+"), whose writers a lock here does not stop", "use --engine batch", nil)
		}
	}
	return nil
}

func (r *run) checkTables(ctx context.Context) error {
	for _, t := range r.tables {
		if !strings.EqualFold(t.found.Engine, "InnoDB") {
			return cleanup.Refuse(fmt.Sprintf("table %s is on the storage engine %s, and only InnoDB swaps tables safely", t.found.Name, t.found.Engine),
				"ALTER TABLE "+t.found.Name+" ENGINE=InnoDB, or use --engine batch", nil)
		}
	}
	for _, q := range r.d.Peculiar(r.schema) {
		rows, err := r.main().texts(ctx, q)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if r.named(row[0]) != nil {
				return cleanup.Refuse(fmt.Sprintf("table %s is %s", row[0], row[1]), "use --engine batch", nil)
			}
		}
	}
	return nil
}

// checkKeys refuses what the copy could not be right about.
func (r *run) checkKeys(ctx context.Context) error {
	rows, err := r.main().texts(ctx, r.d.Outsiders(r.schema))
	if err != nil {
		return err
	}
	for _, row := range rows {
		if r.named(row[0]) != nil {
			return cleanup.Refuse(fmt.Sprintf("foreign key %s of table %s, which is in another schema, points at %s", row[2], row[1], row[0]),
				"drop the key for the time of the rebuild, or use --engine batch", nil)
		}
	}
	for _, t := range r.tables {
		for _, hop := range slices.Concat(t.parents, t.nulls) {
			parent := r.named(hop.Parent).found
			unique := slices.ContainsFunc(parent.Indexes, func(ix schema.Index) bool {
				return ix.Unique && slices.EqualFunc(ix.Columns, hop.ParentColumns, strings.EqualFold)
			})
			if !unique && !parent.UniqueOn(hop.ParentColumns...) {
				return cleanup.Refuse(fmt.Sprintf("table %s refers to (%s) of %s, which is no unique key", t.found.Name, strings.Join(hop.ParentColumns, ", "), parent.Name),
					"use --engine batch", nil)
			}
		}
		for _, fk := range t.found.ForeignKeys {
			if fk.OnDelete == schema.SetDefault {
				return cleanup.Refuse(fmt.Sprintf("foreign key %s of %s is ON DELETE SET DEFAULT", fk.Name, t.found.Name), "use --engine batch", nil)
			}
		}
		for _, hop := range t.nulls {
			for _, ref := range r.found.References(t.found.Name) {
				if slices.ContainsFunc(ref.Key.RefColumns, func(c string) bool { return slices.Contains(hop.Columns, c) }) {
					return cleanup.Refuse(fmt.Sprintf("foreign key %s of %s refers to a column of %s that becomes NULL", ref.Key.Name, ref.Table.Name, t.found.Name),
						"use --engine batch", nil)
				}
			}
		}
	}
	return nil
}

// readDefinitions names the new tables.
func (r *run) readDefinitions(ctx context.Context) (err error) {
	if r.journal, err = newJournal(r.plan, r.begun); err != nil {
		return err
	}
	triggers, err := r.triggerTexts(ctx)
	if err != nil {
		return err
	}
	for _, t := range r.tables {
		var text string
		if text, t.text, err = r.main().definition(ctx, t.found.Name); err != nil {
			return err
		}
		if len(t.text.Keys) != len(t.found.ForeignKeys) {
			return cleanup.Refuse(fmt.Sprintf("the foreign keys of %s cannot be read from its definition", t.found.Name), "use --engine batch", nil)
		}
		r.journal.add(t.found.Name, text, triggers[t.found.Name])
		t.journalTable = r.journal.table(t.found.Name)
	}
	return r.journal.nameGate()
}

// triggerTexts reads the triggers of all tables, in their order.
func (r *run) triggerTexts(ctx context.Context) (map[string][]dialect.TriggerText, error) {
	rows, err := r.main().texts(ctx, r.d.TriggerTexts(r.schema))
	if err != nil {
		return nil, fmt.Errorf("reading triggers: %w", err)
	}
	all := map[string][]dialect.TriggerText{}
	for _, row := range rows {
		all[row[0]] = append(all[row[0]], dialect.TriggerText{Table: row[0], Name: row[1], Timing: row[2], Event: row[3], Definer: row[4], SQLMode: row[5],
			Charset: row[6], Collation: row[7], Body: row[8]})
	}
	return all, nil
}

func (r *run) checkTriggers(context.Context) error {
	byHand := map[string]bool{} // the tables from which a clean-up deletes itself
	for _, t := range r.tables {
		if t.phase != nil {
			byHand[t.Name] = true
			for _, c := range t.phase.Children {
				byHand[c.Table()] = true
			}
		}
	}
	for _, t := range r.tables {
		for i, trigger := range t.Triggers {
			switch {
			case trigger.Event == "DELETE" && byHand[t.Name] && !r.SkipDeleteTriggers:
				return cleanup.Refuse(fmt.Sprintf("trigger %s on %s wants to see each row that is deleted, and a rebuild deletes none", trigger.Name, t.Name),
					"use --engine batch, or say by --skip-delete-triggers that it need not see them", nil)
			case !trigger.Plain():
				return cleanup.Refuse(fmt.Sprintf("trigger %s on %s was written in the character set %s and is not plain ASCII", trigger.Name, t.Name, trigger.Charset),
					"use --engine batch", nil)
			case slices.ContainsFunc(t.Triggers[:i], func(o dialect.TriggerText) bool { return o.Name == trigger.Name }):
				return cleanup.Refuse(fmt.Sprintf("trigger %s on %s is for several events", trigger.Name, t.Name), "use --engine batch", nil)
			}
		}
	}
	return nil
}

// checkAudit makes sure that audit rows fit and can be found again.
func (r *run) checkAudit(ctx context.Context) error {
	tokens := r.named(r.plan.Phases[0].Table)
	if tokens == nil || tokens.phase == nil || tokens.phase.Audit == nil {
		return nil
	}
	audit, _ := r.found.Table(tokens.phase.Audit.Table)
	if r.named(audit.Name) != nil {
		return cleanup.Refuse(fmt.Sprintf("the audit table %s refers to tables that are rebuilt", audit.Name), "use --engine batch", nil)
	}
	if r.plan.AuditMissing == cleanup.AuditExtend && len(r.plan.Missing) > 0 {
		return cleanup.Refuse("a rebuild adds no columns to the audit table", "add them first: "+r.plan.Missing[0].Name+" is one, or use --engine batch", nil)
	}
	j := &journalAudit{Table: audit.Name, Tokens: tokens.Name, Invalidated: tokens.phase.Audit.Invalidated, At: r.begun.UTC().Truncate(time.Second)}
	if c, ok := audit.Column(j.Invalidated); ok {
		j.Moment = c.Kind == schema.Timestamp
	}
	for _, c := range audit.Columns {
		if c.AutoID {
			j.ID = c.Name
		}
	}
	if j.ID == "" && j.Invalidated == "" {
		return cleanup.Refuse(audit.Name+" has neither INVALIDATED_TIME nor an id that counts up: rows of an interrupted run could not be told from others",
			"use --engine batch, or run with --no-audit", nil)
	}
	var err error
	if j.Instant, _, err = r.main().number(ctx, r.d.Instant(r.d.Wall(j.At))); err != nil {
		return err
	}
	r.journal.Audit = j
	return cleanup.CheckAuditHolds(ctx, r.main().conn, r.plan)
}

// checkRoom compares what is free with what the tables take now, where the server
// tells both.
func (r *run) checkRoom(ctx context.Context) error {
	rows, err := r.main().texts(ctx, r.d.Room(r.schema, r.tableNames()))
	if err != nil || len(rows) == 0 {
		return nil // it cannot be told
	}
	var free, need uint64
	if _, err := fmt.Sscan(rows[0][0]+" "+rows[0][1], &free, &need); err == nil && free < need {
		return cleanup.Refuse(fmt.Sprintf("the new tables may take %s, and %s are free in the server's data directory", humanize.IBytes(need), humanize.IBytes(free)),
			"free space, or use --engine batch", nil)
	}
	return nil
}

// checkUse refuses while other sessions use the tables: those that can be seen, and
// those that hold any lock on one of them.
func (r *run) checkUse(ctx context.Context) error {
	if users := r.users(ctx); len(users) > 0 {
		return r.inUse(users, nil)
	}
	err := r.main().run(ctx, r.d.LockAll(r.tableNames()))
	switch {
	case r.d.Classify(err) == dialect.LockTimeout:
		return r.inUse(r.users(ctx), err)
	case r.d.Classify(err) == dialect.Denied:
		return cleanup.Refuse("the user may not lock tables", r.grants(), err)
	case err != nil:
		return classified(r.d, err)
	}
	return r.main().run(ctx, r.d.Unlock())
}

func (r *run) inUse(users []string, err error) error {
	who := "other sessions"
	if len(users) > 0 {
		who = strings.Join(users[:min(len(users), cleanup.SampleSize)], ", ")
	}
	return cleanup.Refuse("the tables are in use by "+who, "stop the product and whatever else uses them, then run again; a live database is for --engine batch", err)
}

// users are the other sessions at work, as far as they can be seen.
func (r *run) users(ctx context.Context) []string {
	var ids []int64
	r.sessions.mu.Lock()
	for _, s := range r.sessions.all {
		ids = append(ids, s.id)
	}
	r.sessions.mu.Unlock()
	var all []string
	for _, q := range r.d.Busy(r.schema, r.tableNames(), ids) {
		rows, err := r.main().texts(ctx, q)
		if err != nil {
			continue // not on this server, or not for this user
		}
		for _, row := range rows {
			if !slices.Contains(all, row[0]) {
				all = append(all, row[0])
			}
		}
	}
	return all
}

// try does on a table of its own everything that needs a privilege.
func (r *run) try(ctx context.Context) error {
	d, latch, other := r.d, r.journal.Latch, r.journal.Latch+"_2"
	q, o := d.Quote(latch), d.Quote(other)
	drop := "DROP TABLE IF EXISTS " + o + ", " + q
	failed := func(privilege string, err error) error {
		switch d.Classify(err) {
		case dialect.Denied:
			return cleanup.Refuse("the user lacks the privilege "+privilege+" on schema "+r.schema, r.grants(), err)
		case dialect.ReadOnly:
			return classified(d, err)
		}
		return fmt.Errorf("trying %s on a table of the run's own: %w", privilege, err)
	}
	if err := r.main().run(ctx, drop); err != nil { // before there is anything to drop
		return failed("DROP", err)
	}
	for _, probe := range []struct{ privilege, statement string }{
		{"CREATE", "CREATE TABLE " + q + " (ID INT NOT NULL PRIMARY KEY, OTHER INT NULL) ENGINE=InnoDB"},
		{"INSERT", "INSERT INTO " + q + " VALUES (1, 1)"},
		{"UPDATE", "UPDATE " + q + " SET OTHER = NULL"},
		{"DELETE", "DELETE FROM " + q},
		{"INDEX or ALTER", "ALTER TABLE " + q + " ADD INDEX BY_OTHER (OTHER)"},
		{"REFERENCES", "ALTER TABLE " + q + " ADD FOREIGN KEY (OTHER) REFERENCES " + q + " (ID)"},
		{"LOCK TABLES", d.Lock(latch, false)},
		{"LOCK TABLES", d.Unlock()},
		{"ALTER and DROP", d.Rename([][2]string{{latch, other}, {other, latch}})},
		{"TRIGGER", "CREATE TRIGGER " + q + " BEFORE INSERT ON " + q + " FOR EACH ROW SET NEW.OTHER = NULL"},
	} {
		err := r.main().run(ctx, probe.statement)
		none := len(slices.Concat(triggersOf(r.tables)...)) == 0
		if probe.privilege == "TRIGGER" && none && d.Classify(err) != dialect.Denied {
			err = nil // there are none to make, and the server may want more than the privilege
		}
		if err != nil {
			_ = r.main().run(context.WithoutCancel(ctx), d.Unlock(), drop)
			return failed(probe.privilege, err)
		}
	}
	denied := r.tryDefiners(ctx)
	if err := r.main().run(ctx, append([]string{drop}, d.RebuildSession(r.LockWait)...)...); err != nil {
		return err
	}
	return denied
}

// tryDefiners makes a trigger for each one that the tables' triggers run as.
func (r *run) tryDefiners(ctx context.Context) error {
	var seen []string
	for _, t := range slices.Concat(triggersOf(r.tables)...) {
		if slices.Contains(seen, t.Definer) {
			continue
		}
		seen = append(seen, t.Definer)
		name := fmt.Sprintf("%s_%d", r.journal.Latch, len(seen))
		trigger := dialect.TriggerText{Timing: "BEFORE", Event: "INSERT", Definer: t.Definer, SQLMode: t.SQLMode, Charset: t.Charset, Collation: t.Collation,
			Body: "SET NEW.OTHER = NULL"}
		err := r.main().run(ctx, r.d.CreateTrigger(trigger, name, r.journal.Latch)...)
		if class(r.d, err) == dialect.Denied {
			return cleanup.Refuse(fmt.Sprintf("the user may not make triggers that run as %s, as trigger %s on %s does", t.Definer, t.Name, t.Table),
				"GRANT SET_ANY_DEFINER (MySQL before 8.2: SET_USER_ID, MariaDB: SET USER) ON *.* TO that user, SYSTEM_USER too if the definer has it, or run as the definer", err)
		}
		if err != nil {
			return fmt.Errorf("trying to make a trigger that runs as %s: %w", t.Definer, err)
		}
	}
	return nil
}

func triggersOf(tables []*table) (all [][]dialect.TriggerText) {
	for _, t := range tables {
		all = append(all, t.Triggers)
	}
	return all
}
