package verify

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/tokensweep/tokensweep/schema"
)

// Copies accounts for a table into which a clean-up copies tokens that it is
// about to remove, other than the product's audit table.
type Copies struct {
	Table  string
	Rows   int64 // that the clean-up added
	Tokens int64 // of the pre-image that have a copy
	// Twice are tokens with more than one copy, Live are those with a copy that are
	// still there, Missing are removed ones without, Altered are those whose copy
	// differs (0 where the table lacks a column of the token table).
	Twice, Live, Missing, Altered Sampled
	Strangers                     int64 // copies of no token of the pre-image
}

// Sampled is a number of rows with some of their keys, at most SampleSize.
type Sampled struct {
	Count   int64
	Samples []string
}

func (s *Sampled) add(from *tableImage, r record) error {
	s.Count++
	return from.sample(&s.Samples, r)
}

// copies is the table of Expect.Copies while it is accounted for.
type copies struct {
	Copies
	image *tableImage
	exact bool           // it has all columns of the token table
	old   map[uint64]int // rows that were there before, by hash
}

// readCopies reads the tables of Expect.Copies that exist.
func (c *checker) readCopies(ctx context.Context, src Source, conn *sql.Conn, now *schema.Database) error {
	live := c.im.table(schema.AccessToken)
	for _, name := range c.expect.Copies {
		table, ok := now.Table(name)
		if !ok || live == nil || !table.Has("TOKEN_ID") {
			continue
		}
		l := newLayout(*table, live.layout.names())
		l.key, l.order = l.positions([]string{"TOKEN_ID"}), nil
		t, err := src.readTable(ctx, conn, l, c.budget, nil)
		if err != nil {
			return fmt.Errorf("reading the copies of removed tokens: %w", err)
		}
		c.opened = append(c.opened, t)
		cp := &copies{Copies: Copies{Table: table.Name}, image: t, exact: slices.EqualFunc(l.names(), live.layout.names(), strings.EqualFold)}
		if cp.old, err = hashes(c.im.table(name)); err != nil {
			return err
		}
		c.copies = append(c.copies, cp)
	}
	return nil
}

// hashes counts the rows of a table by the hash of all their columns.
func hashes(t *tableImage) (map[uint64]int, error) {
	if t == nil {
		return nil, nil
	}
	all := map[uint64]int{}
	for p := range partitions {
		rows, err := t.rows.partition(p)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			all[r.full]++
		}
	}
	return all, nil
}

// account books the copies of one token; was is empty for a token that was not there.
func (cp *copies) account(from *tableImage, was, now []record, live bool) error {
	n := 0
	altered := false
	for _, r := range now {
		if cp.old[r.full] > 0 {
			cp.old[r.full]--
			continue
		}
		n++
		altered = altered || cp.exact && len(was) > 0 && r.full != was[0].full
	}
	cp.Rows += int64(n)
	if len(was) == 0 {
		cp.Strangers += int64(n)
		return nil
	}
	if n > 0 {
		cp.Tokens++
	}
	for _, is := range []struct {
		so   bool
		what *Sampled
	}{{n > 1, &cp.Twice}, {n > 0 && live, &cp.Live}, {n == 0 && !live, &cp.Missing}, {altered, &cp.Altered}} {
		if is.so {
			if err := is.what.add(from, was[0]); err != nil {
				return err
			}
		}
	}
	return nil
}
