package harness

import (
	"context"
	"time"

	"github.com/tokensweep/tokensweep/cleanup"
	"github.com/tokensweep/tokensweep/cleanup/rebuild"
	"github.com/tokensweep/tokensweep/cleanup/script"
	"github.com/tokensweep/tokensweep/report"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/verify"
)

// JudgeOf returns who judges an engine that follows a rule of its own, nil for
// those that follow the plan. Its cut-offs are for the pre-image.
func JudgeOf(ctx context.Context, t *Target, e cleanup.Engine, s cleanup.Settings) (*ScriptJudge, error) {
	engine, ok := e.(script.Engine)
	if !ok {
		return nil, nil
	}
	return NewScriptJudge(ctx, t, engine.File, s.Policy, s.CutOff, true)
}

// Cleaned is a clean-up that took place since a pre-image, on a database where
// nothing else did.
type Cleaned struct {
	Settings cleanup.Settings
	Judge    *ScriptJudge    // of JudgeOf
	Result   *cleanup.Result // what the engine says of itself
	From     time.Time       // when it began
}

// Describe accounts for every row and puts the verdict into a document.
func (c Cleaned) Describe(ctx context.Context, t *Target, image *verify.Image, doc *report.Document) (*verify.Outcome, error) {
	src := verify.Source{DB: t.DB, Dialect: t.Dialect, Schema: t.Schema}
	e, made, err := c.expect(ctx, t, image)
	if err != nil {
		return nil, err
	}
	outcome, err := verify.Check(ctx, src, image, e)
	if err != nil {
		return nil, err
	}
	Describe(doc, outcome, c.Result)
	if c.Judge != nil {
		err = c.Judge.Describe(ctx, doc, src, outcome, image.Found, made)
	}
	return outcome, err
}

// expect says what the engine was to do, and which tables a script made.
func (c Cleaned) expect(ctx context.Context, t *Target, image *verify.Image) (e verify.Expect, made []schema.Table, err error) {
	now, err := schema.Read(ctx, t.DB, t.Dialect, t.Schema)
	if err != nil {
		return e, nil, err
	}
	if c.Judge != nil {
		e, made = c.Judge.Expect(t.Dialect, image.Found, now, true)
	} else {
		e = verify.Expect{Policy: c.Settings.Policy, Audit: c.Settings.Audit, ExtendedAudit: c.Settings.AuditMissing == cleanup.AuditExtend}
	}
	e.From, e.To, e.Incomplete = c.From, time.Now().UTC().Add(time.Second), !c.Result.Complete()
	if e.Incomplete {
		e.Own = append(e.Own, cleanup.LedgerTable)
	}
	kept, err := rebuild.Look(ctx, t.DB, t.Dialect, now)
	if err != nil {
		return e, nil, err
	}
	if kept != nil {
		e.Own = append(e.Own, kept.Own()...)
	}
	return e, made, nil
}

// Finish drops the old tables that a rebuild kept until now, and looks whether the
// schema is as it was before then. It does nothing if none are kept; false says so.
func (c Cleaned) Finish(ctx context.Context, t *Target, image *verify.Image, doc *report.Document, w cleanup.Watcher) (bool, error) {
	now, err := schema.Read(ctx, t.DB, t.Dialect, t.Schema)
	if err != nil {
		return false, err
	}
	kept, err := rebuild.Look(ctx, t.DB, t.Dialect, now)
	if err != nil || kept == nil {
		return false, err
	}
	if err := rebuild.Finish(ctx, t.DB, t.Dialect, t.Schema, w); err != nil {
		return true, err
	}
	if now, err = schema.Read(ctx, t.DB, t.Dialect, t.Schema); err != nil {
		return true, err
	}
	for _, f := range verify.CheckSchema(image.Found, now, verify.Expect{}) {
		doc.Verdict = report.Fail
		doc.Findings = append(doc.Findings, describeFinding(f))
	}
	return true, nil
}
