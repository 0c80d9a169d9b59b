package verify

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/schema"
	"github.com/tokensweep/tokensweep/token"
)

// Source is the database that is verified.
type Source struct {
	DB      *sql.DB // sessions in the writers' time zone
	Dialect dialect.Dialect
	Schema  string
	// Progress gets the number of rows read of a table so far; nil hears nothing.
	Progress func(table string, rows int64)
}

// Header describes a pre-image.
type Header struct {
	Version int       `json:"version"` // of the file format
	Taken   time.Time `json:"taken"`   // UTC
	CutOff  time.Time `json:"cutoff"`  // UTC; every row was judged at this time
	// Official is the cut-off of the official policies if that is another one.
	Official time.Time        `json:"official_cutoff,omitzero"`
	Server   string           `json:"server"` // product and version
	Zone     string           `json:"zone"`   // of the session that read the wall clocks
	Found    *schema.Database `json:"schema"`
	Rows     int64            `json:"rows"` // of all tables
	Newest   int64            `json:"newest_created_ms"`
}

// CutOffs are the times at which the rows were judged.
func (h Header) CutOffs() CutOffs { return CutOffs{At: h.CutOff, Official: h.Official} }

// Image is the pre-image of a database: a hash of every row of every table, and
// what each policy says about every token, code and CIBA request.
type Image struct {
	Header
	Seconds float64 // duration of the capture
	tables  []*tableImage
	budget  *budget
}

// tableImage is what is remembered of one table.
type tableImage struct {
	layout *layout
	rows   *store
	links  []*store // one for each of layout.links: key of the parent, hashes of the child
	texts  *texts
}

// TableRows is the number of rows of a table in the pre-image, -1 if it was not there.
func (im *Image) TableRows(table string) int64 {
	if t := im.table(table); t != nil {
		return t.rows.rows
	}
	return -1
}

// NewestToken is the newest wall clock among the tokens' creation times.
func (im *Image) NewestToken() time.Time { return time.UnixMilli(im.Newest).UTC() }

func (im *Image) table(name string) *tableImage {
	for _, t := range im.tables {
		if strings.EqualFold(t.layout.table.Name, name) {
			return t
		}
	}
	return nil
}

// Close gives temporary files back.
func (im *Image) Close() {
	for _, t := range im.tables {
		t.close()
	}
}

// sample adds the key of a row to some, up to SampleSize.
func (t *tableImage) sample(some *[]string, r record) error {
	if len(*some) >= SampleSize {
		return nil
	}
	text, err := t.texts.get(r.meta.text())
	if err != nil {
		return err
	}
	*some = append(*some, text)
	return nil
}

func (t *tableImage) close() {
	t.rows.close()
	t.texts.close()
	for _, l := range t.links {
		l.close()
	}
}

// Capture reads every table of the schema in one snapshot and judges every row
// at cutOff under every policy. The image must be closed.
func Capture(ctx context.Context, src Source, cutOff time.Time) (*Image, error) {
	return CaptureAt(ctx, src, CutOffs{At: cutOff})
}

// CutOffs are the times at which a pre-image judges its rows, as UTC wall clocks.
type CutOffs struct {
	At time.Time
	// Official is the one of the official policies, zero for At. The vendor's MySQL
	// procedure compares UTC wall clocks with the local time of its session.
	Official time.Time
}

// Of is the one of a policy.
func (o CutOffs) Of(p token.Policy) time.Time {
	if p.Official() && !o.Official.IsZero() {
		return o.Official
	}
	return o.At
}

// CaptureAt is Capture with a cut-off of their own for the official policies.
func CaptureAt(ctx context.Context, src Source, at CutOffs) (*Image, error) {
	began := time.Now()
	im := &Image{budget: &budget{left: spillLimit}}
	im.Header = Header{Version: fileVersion, Taken: began.UTC().Truncate(time.Second), CutOff: at.At.UTC(), Official: at.Official}
	err := src.snapshot(ctx, func(conn *sql.Conn) error {
		found, err := schema.Read(ctx, conn, src.Dialect, src.Schema)
		if err != nil {
			return err
		}
		im.Found = found
		for _, l := range layouts(found) {
			t, err := src.readTable(ctx, conn, l, im.budget, judgeFor(src.Dialect, l, at, &im.Newest))
			if err != nil {
				return err
			}
			im.tables = append(im.tables, t)
			im.Rows += t.rows.rows
		}
		return nil
	})
	if err != nil {
		im.Close()
		return nil, fmt.Errorf("taking the pre-image: %w", err)
	}
	im.Seconds = time.Since(began).Seconds()
	return im, nil
}

// snapshot runs read on one connection that sees one state of the database.
func (src Source) snapshot(ctx context.Context, read func(*sql.Conn) error) error {
	conn, err := src.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	// A session that may have another default schema or isolation level now must
	// not return to the pool.
	defer conn.Raw(func(any) error { return driver.ErrBadConn })
	if d, ok := src.Dialect.(dialect.SchemaUser); ok {
		if _, err := conn.ExecContext(ctx, d.UseSchema(src.Schema)); err != nil {
			return fmt.Errorf("using schema %s: %w", src.Schema, err)
		}
	}
	for _, statement := range src.Dialect.BeginSnapshot() {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("starting a snapshot (%s): %w", statement, err)
		}
	}
	defer conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	err = read(conn)
	if err != nil && src.Dialect.Classify(err) == dialect.NoSnapshot {
		return fmt.Errorf("the verifier reads all tables as they were at one moment, which the database does not allow: "+
			"ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON, then run again: %w", err)
	}
	return err
}

// layouts lays out every table of a schema, parents before their children.
func layouts(found *schema.Database) []*layout {
	var all []*layout
	at := map[string]*layout{}
	for _, t := range found.Tables {
		l := newLayout(t, nil)
		all, at[strings.ToLower(t.Name)] = append(all, l), l
	}
	for _, root := range schema.Cleaned() {
		for _, c := range found.Children(root) {
			at[strings.ToLower(c.Table())].linkTo(c.Path[0])
		}
	}
	if codes := at[strings.ToLower(schema.AuthzCode)]; codes != nil && codes.position("TOKEN_ID") >= 0 {
		codes.links = append(codes.links, link{parent: schema.AccessToken, columns: codes.positions([]string{"TOKEN_ID"}), token: true})
	}
	live, audit := at[strings.ToLower(schema.AccessToken)], at[strings.ToLower(schema.TokenAudit)]
	if live != nil && audit != nil {
		shareColumns(live, audit)
	}
	slices.SortStableFunc(all, func(a, b *layout) int { return depth(at, a, 0) - depth(at, b, 0) })
	return all
}

func (l *layout) linkTo(h schema.Hop) {
	n := link{parent: h.Parent, columns: l.positions(h.Columns)}
	same := func(o link) bool { return strings.EqualFold(o.parent, n.parent) && slices.Equal(o.columns, n.columns) }
	if !slices.ContainsFunc(l.links, same) {
		l.links = append(l.links, n)
	}
}

// depth is the length of the longest chain of parents above a table.
func depth(at map[string]*layout, l *layout, guard int) int {
	deepest := 0
	for _, n := range l.links {
		if parent := at[strings.ToLower(n.parent)]; parent != nil && guard < len(at) {
			deepest = max(deepest, 1+depth(at, parent, guard+1))
		}
	}
	return deepest
}

// shareColumns finds the columns that an audit copy must carry over.
func shareColumns(live, audit *layout) {
	var names []string
	for _, c := range live.columns {
		if to := audit.position(c.Name); to >= 0 && !audit.columns[to].Generated {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	live.shared, audit.shared = live.positions(names), audit.positions(names)
	// The rows of one token in the audit table belong together.
	if id := audit.position("TOKEN_ID"); id >= 0 {
		audit.key = []int{id}
	}
}

// readTable reads one table into stores.
func (src Source) readTable(ctx context.Context, q schema.Querier, l *layout, b *budget, judge judgeFunc) (*tableImage, error) {
	t := &tableImage{layout: l, rows: newStore(b)}
	for range l.links {
		t.links = append(t.links, newStore(b))
	}
	var err error
	if t.texts, err = newTexts(); err != nil {
		return nil, err
	}
	r := newRowReader(l)
	_, err = r.each(ctx, q, src.Dialect, func() error {
		if src.Progress != nil && t.rows.rows%10_000 == 0 {
			src.Progress(l.table.Name, t.rows.rows)
		}
		return t.remember(r, judge)
	})
	if err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *tableImage) remember(r *rowReader, judge judgeFunc) error {
	full := r.full()
	rec := record{key: r.key(full), full: full}
	if r.l.shared != nil {
		rec.shared = r.hash64(r.l.shared)
	}
	at, err := t.texts.add(r.keyText())
	if err != nil {
		return err
	}
	rec.meta = textAt(at)
	if judge != nil {
		m, err := judge(r)
		if err != nil {
			return err
		}
		rec.meta |= m
	}
	for i, n := range r.l.links {
		if slices.ContainsFunc(n.columns, r.isNull) || n.token && len(r.values[n.columns[0]]) == 0 {
			continue // hangs on nothing
		}
		var flags meta
		if n.token {
			flags = hasToken
		}
		child := record{key: r.hash(n.columns), full: rec.key.hi, shared: rec.key.lo, meta: flags}
		if err := t.links[i].add(child); err != nil {
			return err
		}
	}
	return t.rows.add(rec)
}

// judgeFunc judges the current row under every policy.
type judgeFunc func(r *rowReader) (meta, error)

// judgeFor returns the judge of a table, nil for tables that no policy speaks of.
func judgeFor(d dialect.Dialect, l *layout, at CutOffs, newest *int64) judgeFunc {
	judges := func(state string) []token.Judge {
		c, _ := l.table.Column(state)
		var all []token.Judge
		for _, p := range token.Policies() {
			all = append(all, token.NewJudge(p, at.Of(p), d.Collation(c.Collation)))
		}
		return all
	}
	switch {
	case strings.EqualFold(l.table.Name, schema.AccessToken) && l.table.Has("TOKEN_STATE", "TIME_CREATED", "VALIDITY_PERIOD", "REFRESH_TOKEN",
		"REFRESH_TOKEN_TIME_CREATED", "REFRESH_TOKEN_VALIDITY_PERIOD"):
		return judgeTokens(l, judges("TOKEN_STATE"), newest)
	case strings.EqualFold(l.table.Name, schema.AuthzCode) && l.table.Has("STATE", "TIME_CREATED", "VALIDITY_PERIOD"):
		return judgeCodes(l, judges("STATE"))
	case strings.EqualFold(l.table.Name, schema.CIBACode) && l.table.Has("AUTH_REQ_STATUS", "ISSUED_TIME", "EXPIRES_IN"):
		return judgeCIBA(l, judges("AUTH_REQ_STATUS"))
	}
	return nil
}

func judgeTokens(l *layout, judges []token.Judge, newest *int64) judgeFunc {
	state, created, validity := l.position("TOKEN_STATE"), l.position("TIME_CREATED"), l.position("VALIDITY_PERIOD")
	refresh, renewed, renewal := l.position("REFRESH_TOKEN"), l.position("REFRESH_TOKEN_TIME_CREATED"), l.position("REFRESH_TOKEN_VALIDITY_PERIOD")
	return func(r *rowReader) (m meta, err error) {
		t := token.Token{State: r.text(state), HasRefresh: len(r.values[refresh]) > 0}
		if t.Created, err = r.time(created); err != nil {
			return 0, err
		}
		if t.Validity, err = r.number(validity); err != nil {
			return 0, err
		}
		if t.RefreshCreated, err = r.time(renewed); err != nil {
			return 0, err
		}
		if t.RefreshValidity, err = r.number(renewal); err != nil {
			return 0, err
		}
		if ms, known := t.Created.Millis(); known && ms > *newest {
			*newest = ms
		}
		for i, j := range judges {
			m = m.with(i, j.Token(t))
		}
		if !t.HasRefresh {
			m |= noRefresh
		}
		return m.withState(stateOf(t.State)), nil
	}
}

// judgeCodes judges codes as if their token were gone; Check corrects that for
// those whose token is not.
func judgeCodes(l *layout, judges []token.Judge) judgeFunc {
	state, created, validity := l.position("STATE"), l.position("TIME_CREATED"), l.position("VALIDITY_PERIOD")
	return func(r *rowReader) (m meta, err error) {
		c := token.Code{State: r.text(state)}
		if c.Created, err = r.time(created); err != nil {
			return 0, err
		}
		if c.Validity, err = r.number(validity); err != nil {
			return 0, err
		}
		for i, j := range judges {
			m = m.with(i, j.Code(c))
		}
		return m, nil
	}
}

func judgeCIBA(l *layout, judges []token.Judge) judgeFunc {
	status, issued, expires := l.position("AUTH_REQ_STATUS"), l.position("ISSUED_TIME"), l.position("EXPIRES_IN")
	return func(r *rowReader) (m meta, err error) {
		c := token.CIBA{Status: r.text(status)}
		if c.Issued, err = r.time(issued); err != nil {
			return 0, err
		}
		if c.ExpiresIn, err = r.number(expires); err != nil {
			return 0, err
		}
		for i, j := range judges {
			m = m.with(i, j.CIBA(c))
		}
		return m, nil
	}
}
