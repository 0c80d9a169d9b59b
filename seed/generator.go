package seed

import (
	"github.com/tokensweep/tokensweep/token"
)

// How many positions share one row of the smaller tables. Every block of that
// many positions has the row at one position of its own choice, so that rows
// can be counted and numbered without walking. All divide cellTokens.
const (
	bindingEvery   = 10
	historyEvery   = 20
	attributeEvery = 50
	requestEvery   = 50
	cibaEvery      = 50
	deviceEvery    = 100

	codePercent = 20 // of the tokens with grant authorization_code
	keyGroup    = 8  // neighbours that share one CON_APP_KEY key
)

// generator makes the rows of a Spec. It is read-only once made, and safe for
// concurrent use.
type generator struct {
	spec    Spec
	cutOff  int64 // Unix seconds
	slot    uint64
	streams [streams]draw
	words   words

	tokens     []class
	codes      []codeClass
	cibas      []cibaClass
	history    []class
	tokenCards []uint8
	codeCards  []uint8
	cibaCards  []uint8
	cycle      *cycle // nil but for the edge mix

	apps []app
	// lastRequest and lastClaim are the highest ids in the tables before ours.
	lastRequest, lastClaim int64
}

// app is a row of IDN_OAUTH_CONSUMER_APPS.
type app struct {
	id    int64 // as the database has it
	key   string
	name  string
	owner string
}

func newGenerator(s Spec) (*generator, error) {
	if s.Mix == "" {
		s.Mix = Default
	}
	if _, err := ParseMix(string(s.Mix)); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	g := &generator{spec: s, cutOff: s.CutOff.Unix(), slot: (1 << 48) / uint64(s.Tokens), streams: newStreams(s.Seed, s.Tokens), words: newWords(), history: historyClasses()}
	if err := g.choose(); err != nil {
		return nil, err
	}
	g.apps = g.newApps()
	return g, checkTimes(s.CutOff, g.times(), s.Mix)
}

// choose takes the classes of the mix.
func (g *generator) choose() error {
	if g.spec.Mix == Edge {
		c, err := newCycle()
		if err != nil {
			return err
		}
		g.cycle, g.tokens, g.codes, g.cibas = c, c.tokens, c.codes, c.cibas
		return nil
	}
	g.tokens, g.codes, g.cibas = tokenClasses(), codeClasses(), cibaClasses()
	parts := g.spec.Mix.parts(g.tokens)
	g.tokenCards = deal(len(g.tokens), func(c int) int { return parts[c] })
	g.codeCards = deal(len(g.codes), func(c int) int { return g.codes[c].share })
	g.cibaCards = deal(len(g.cibas), func(c int) int { return g.cibas[c].share })
	return nil
}

// times is the span of all times of the mix.
func (g *generator) times() span {
	all := spanOf(g.tokens).union(historyCreated).union(deviceCreated)
	for _, c := range g.codes {
		all = all.union(c.created)
	}
	for _, c := range g.cibas {
		all = all.union(span{c.issued.from, c.issued.to + pollSeconds})
	}
	return all
}

// newApps makes the consumer apps. Their keys depend on the seed and the size,
// so that data of several seeds in one database share none.
func (g *generator) newApps() []app {
	n := min(max(int(g.spec.Tokens/5000), 20), appNames)
	apps := make([]app, n)
	for i := range apps {
		d := g.streams[streamApps].at(int64(i))
		apps[i] = app{
			id:    int64(i) + 1,
			key:   AppKeyPrefix + string(appendHex16(nil, uint64(d))),
			name:  g.words.apps[i],
			owner: g.words.people[d.at(1).below(people)],
		}
	}
	return apps
}

// AppKeyPrefix starts the CONSUMER_KEY of every app that this package makes.
const AppKeyPrefix = "tokensweep_"

// entry is what stands at one position before it becomes text.
type entry struct {
	i       int64
	token   tokenRow
	code    codeRow // valid if hasCode
	hasCode bool

	// Set by table.rows for the columns of the smaller tables.
	block   int64
	draw    draw
	ciba    *cibaClass
	history tokenRow
}

// tokenRow is a row of the token table, or of the audit table.
type tokenRow struct {
	n              int // of the class among the mix's
	class          *class
	draw           draw
	key            int64 // tokens with the same key and kind share CON_APP_KEY but for the state
	app            *app
	grant          string
	isClient       bool
	scopes         *scopeSet // nil: one scope made from key
	created        int64     // Unix seconds
	refreshCreated int64
}

type codeRow struct {
	n     int // of the class
	class *codeClass
	draw  draw
}

// at computes what stands at position i.
func (g *generator) at(e *entry, i int64) {
	e.i = i
	g.tokenAt(&e.token, i)
	e.hasCode = g.codeAt(e)
}

func (g *generator) tokenAt(t *tokenRow, i int64) {
	d := g.streams[streamToken].at(i)
	key := i
	if g.cycle != nil {
		t.n = int(i % int64(len(g.tokens)))
	} else {
		t.n = int(g.tokenCards[d.at(10).below(len(g.tokenCards))])
		if g.tokens[t.n].state.V != token.Active {
			key = i - i%keyGroup
		}
	}
	t.class = &g.tokens[t.n]
	g.fill(t, d, key)
}

// fill makes the rest of a row from its class.
func (g *generator) fill(t *tokenRow, d draw, key int64) {
	t.draw, t.key = d, key
	t.created = g.cutOff + d.at(11).in(t.class.created)
	t.refreshCreated = t.created
	if t.class.refreshCreated != nil {
		t.refreshCreated = g.cutOff + d.at(12).in(*t.class.refreshCreated)
	}
	t.grant = t.class.grants[d.at(13).below(len(t.class.grants))]
	t.isClient = t.grant == grantClient
	k := g.streams[streamKey]
	if t.isClient {
		t.app, t.scopes = &g.apps[k.at(key).below(len(g.apps))], nil
		return
	}
	// Four keys in a row are one user with four different apps.
	t.app = &g.apps[(k.at(key/4).below(len(g.apps))+int(key%4)*5)%len(g.apps)]
	t.scopes = g.words.set(k.at(key))
}

func (g *generator) codeAt(e *entry) bool {
	if g.cycle != nil {
		n := g.cycle.codeAt[e.i%int64(len(g.tokens))]
		if n < 0 {
			return false
		}
		e.code = codeRow{n: n, class: &g.codes[n], draw: g.streams[streamCode].at(e.i)}
		return true
	}
	if e.token.grant != grantCode {
		return false
	}
	d := g.streams[streamCode].at(e.i)
	if d.at(10).below(100) >= codePercent {
		return false
	}
	n := int(g.codeCards[d.at(11).below(len(g.codeCards))])
	e.code = codeRow{n: n, class: &g.codes[n], draw: d}
	return true
}

// chosen reports whether position i is the one that its block of every
// positions chose, and returns the block's number and draw.
func (g *generator) chosen(s stream, i, every int64) (block int64, d draw, ok bool) {
	block = i / every
	d = g.streams[s].at(block)
	return block, d, i%every == int64(d.at(20).below(int(every)))
}

// cibaAt returns the class, by number, and the draw of position i's CIBA request.
func (g *generator) cibaAt(i int64) (n int, d draw, ok bool) {
	if g.cycle != nil {
		n = g.cycle.cibaAt[i%int64(len(g.tokens))]
		return n, g.streams[streamCIBA].at(i), n >= 0
	}
	_, d, ok = g.chosen(streamCIBA, i, cibaEvery)
	if !ok {
		return 0, 0, false
	}
	return int(g.cibaCards[d.at(10).below(len(g.cibaCards))]), d, true
}

func (g *generator) appendTokenID(b []byte, i int64) []byte {
	return g.tokenUUID(b, i, g.streams[streamToken].at(i))
}
