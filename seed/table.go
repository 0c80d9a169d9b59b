package seed

import "github.com/tokensweep/tokensweep/schema"

// table is one table that is filled. The order of tables is that of the foreign
// keys.
type table struct {
	name string
	// every: one position in so many has rows, at most; 1 for any.
	every  int64
	stream stream // that chooses the position, if every is not 1
	// rows says how many rows the entry has and prepares it for the columns.
	rows    func(g *generator, e *entry) int
	columns []column
}

type column struct {
	name string
	put  put
	// id marks ids that other tables refer to. Other columns that the server
	// counts up are left to it.
	id bool
}

// put appends a field of row n of the entry.
type put func(b []byte, g *generator, e *entry, n int) []byte

func one(*generator, *entry) int { return 1 }

func literal(text string) put {
	return func(b []byte, _ *generator, _ *entry, _ int) []byte { return append(b, text...) }
}

const (
	tenant     = "-1234" // the product's super tenant
	userDomain = "PRIMARY"
	noRef      = "NONE"
)

// tables lists the tables that positions have rows in, parents first.
func (g *generator) tables() []table {
	every := int64(cibaEvery)
	if g.cycle != nil {
		every = 1 // the cycle places them
	}
	return []table{
		{name: schema.AccessToken, every: 1, rows: one, columns: liveTokenColumns()},
		{name: schema.AccessTokenScope, every: 1, rows: countScopes, columns: tokenScopeColumns()},
		{name: schema.TokenBinding, every: bindingEvery, stream: streamBinding, rows: blockRow(streamBinding, bindingEvery), columns: bindingColumns()},
		{name: schema.TokenAttributes, every: attributeEvery, stream: streamAttribute, rows: blockRow(streamAttribute, attributeEvery), columns: attributeColumns()},
		{name: schema.AuthzCode, every: 1, rows: countCodes, columns: codeColumns()},
		{name: schema.AuthzCodeScope, every: 1, rows: countCodeScopes, columns: codeScopeColumns()},
		{name: schema.DPoPThumbprint, every: 1, rows: countThumbprints, columns: thumbprintColumns()},
		{name: schema.RequestObject, every: requestEvery, stream: streamRequest, rows: blockRow(streamRequest, requestEvery), columns: requestColumns()},
		{name: schema.RequestClaims, every: requestEvery, stream: streamRequest, rows: blockRows(streamRequest, requestEvery, claimsPerRequest), columns: claimColumns()},
		{name: schema.RequestValues, every: requestEvery, stream: streamRequest, rows: blockRows(streamRequest, requestEvery, claimsPerRequest), columns: claimValueColumns()},
		{name: schema.CIBACode, every: every, stream: streamCIBA, rows: countCIBA, columns: cibaColumns()},
		{name: schema.CIBAScope, every: every, stream: streamCIBA, rows: countCIBAScopes, columns: cibaScopeColumns()},
		{name: schema.TokenAudit, every: historyEvery, stream: streamHistory, rows: historyRow, columns: auditColumns()},
		{name: schema.DeviceFlow, every: deviceEvery, stream: streamDevice, rows: blockRow(streamDevice, deviceEvery), columns: deviceColumns()},
		{name: schema.DeviceScope, every: deviceEvery, stream: streamDevice, rows: blockRow(streamDevice, deviceEvery), columns: deviceScopeColumns()},
	}
}

func blockRow(s stream, every int64) func(*generator, *entry) int { return blockRows(s, every, 1) }

func blockRows(s stream, every int64, n int) func(*generator, *entry) int {
	return func(g *generator, e *entry) int {
		var ok bool
		if e.block, e.draw, ok = g.chosen(s, e.i, every); !ok {
			return 0
		}
		return n
	}
}

// walker steps through the positions of one table that have rows.
type walker struct {
	g        *generator
	t        *table
	next, to int64
	e        entry
}

func (w *walker) step() (e *entry, rows int, ok bool) {
	for w.next < w.to {
		i := w.next
		w.next++
		if every := w.t.every; every > 1 {
			block := i / every
			i = max(i, block*every+int64(w.g.streams[w.t.stream].at(block).at(20).below(int(every))))
			w.next = (block + 1) * every
			if i >= w.to {
				continue
			}
		}
		w.g.at(&w.e, i)
		if n := w.t.rows(w.g, &w.e); n > 0 {
			return &w.e, n, true
		}
	}
	return nil, 0, false
}

// count returns the number of the table's rows at these positions.
func (t *table) count(g *generator, from, to int64) int64 {
	var n int64
	w := walker{g: g, t: t, next: from, to: to}
	for {
		_, rows, ok := w.step()
		if !ok {
			return n
		}
		n += int64(rows)
	}
}
