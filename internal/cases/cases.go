// Package cases holds ground-truth rows with the verdict that each policy must
// give, computed by hand and checked on servers; testdata/README.md explains
// the columns. Tests judge them through the Go policy, the SQL of every dialect
// and the whole engine, and the seeder's edge mix is made of them.
package cases

import (
	"embed"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tokensweep/tokensweep/token"
)

//go:embed testdata/*.csv
var files embed.FS

// Offset is a time column of a case.
type Offset struct {
	Seconds int64 // from the cut-off
	Null    bool  // SQL NULL
	Zero    bool  // MySQL's zero date
}

// Known reports whether the offset is a real time.
func (o Offset) Known() bool { return !o.Null && !o.Zero }

// At returns the time for a cut-off.
func (o Offset) At(cutOff time.Time) token.Time {
	if !o.Known() {
		return token.Time{}
	}
	return token.AtTime(cutOff.Add(time.Duration(o.Seconds) * time.Second))
}

// Expect tells per policy whether the row goes.
type Expect map[token.Policy]bool

// Token is a row of tokens.csv.
type Token struct {
	ID              string
	About           string
	State           token.Null[string]
	Created         Offset
	Validity        token.Null[int64]
	Refresh         token.Null[string] // NULL, '' or "SET" (any unique text)
	RefreshCreated  Offset
	RefreshValidity token.Null[int64]
	GrantType       string
	Remove          Expect
}

// Row returns the case as the policy sees it.
func (c Token) Row(cutOff time.Time) token.Token {
	return token.Token{
		State: c.State, Created: c.Created.At(cutOff), Validity: c.Validity,
		HasRefresh:     c.Refresh.Valid && c.Refresh.V != "",
		RefreshCreated: c.RefreshCreated.At(cutOff), RefreshValidity: c.RefreshValidity,
	}
}

// Code is a row of codes.csv.
type Code struct {
	ID       string
	About    string
	State    token.Null[string]
	Created  Offset
	Validity token.Null[int64]
	Token    token.Null[string] // a Token's ID, NULL, '' or "MISSING" (an id that no row has)
	Remove   Expect
}

// CIBA is a row of ciba.csv.
type CIBA struct {
	ID        string
	About     string
	Status    token.Null[string]
	Issued    Offset
	ExpiresIn token.Null[int64] // seconds
	Remove    Expect
}

// Override is a row of collation.csv: under that collation the official MySQL
// policy gives another verdict.
type Override struct {
	File, ID, Collation string
	Remove              bool
}

// Tokens returns all token cases.
func Tokens() []Token {
	var all []Token
	each("tokens.csv", func(r record) {
		all = append(all, Token{
			ID: r.text("case_id"), About: r.text("about"), State: r.null("state"),
			Created: r.offset("created_offset_s"), Validity: r.number("validity_ms"), Refresh: r.null("refresh_token"),
			RefreshCreated: r.offset("refresh_created_offset_s"), RefreshValidity: r.number("refresh_validity_ms"),
			GrantType: r.text("grant_type"), Remove: r.expect(),
		})
	})
	return all
}

// Codes returns all authorization-code cases.
func Codes() []Code {
	var all []Code
	each("codes.csv", func(r record) {
		all = append(all, Code{
			ID: r.text("case_id"), About: r.text("about"), State: r.null("state"), Created: r.offset("created_offset_s"),
			Validity: r.number("validity_ms"), Token: r.null("token_link"), Remove: r.expect(),
		})
	})
	return all
}

// CIBAs returns all CIBA cases.
func CIBAs() []CIBA {
	var all []CIBA
	each("ciba.csv", func(r record) {
		all = append(all, CIBA{
			ID: r.text("case_id"), About: r.text("about"), Status: r.null("auth_req_status"), Issued: r.offset("issued_offset_s"),
			ExpiresIn: r.number("expires_in_s"), Remove: r.expect(),
		})
	})
	return all
}

// Overrides returns the verdicts that depend on the collation.
func Overrides() []Override {
	var all []Override
	each("collation.csv", func(r record) {
		all = append(all, Override{
			File: r.text("file"), ID: r.text("case_id"), Collation: r.text("collation"), Remove: r.text("expect_official_mysql") == "REMOVE",
		})
	})
	return all
}

// record is one row of an embedded file. The files are part of the program, so
// a bad field is a bug and panics.
type record struct {
	file   string
	fields map[string]string
}

func each(file string, visit func(record)) {
	f, err := files.Open("testdata/" + file)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		panic(fmt.Sprintf("%s: %v", file, err))
	}
	for _, row := range rows[1:] {
		fields := make(map[string]string, len(row))
		for i, name := range rows[0] {
			fields[name] = row[i]
		}
		visit(record{file: file, fields: fields})
	}
}

func (r record) text(column string) string {
	v, ok := r.fields[column]
	if !ok {
		panic(r.file + " has no column " + column)
	}
	return v
}

func (r record) null(column string) token.Null[string] {
	switch v := r.text(column); v {
	case "NULL":
		return token.Null[string]{}
	case "EMPTY":
		return token.Some("")
	default:
		return token.Some(v)
	}
}

func (r record) number(column string) token.Null[int64] {
	v := r.text(column)
	if v == "NULL" {
		return token.Null[int64]{}
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		panic(fmt.Sprintf("%s, %s, %s: %v", r.file, r.text("case_id"), column, err))
	}
	return token.Some(n)
}

func (r record) offset(column string) Offset {
	switch r.text(column) {
	case "NULL":
		return Offset{Null: true}
	case "ZERO":
		return Offset{Zero: true}
	}
	return Offset{Seconds: r.number(column).V}
}

func (r record) expect() Expect {
	all := make(Expect)
	for _, p := range token.Policies() {
		column := "expect_" + strings.ReplaceAll(string(p), "-", "_")
		switch v := r.text(column); v {
		case "REMOVE":
			all[p] = true
		case "KEEP":
			all[p] = false
		default:
			panic(fmt.Sprintf("%s, %s, %s: %q", r.file, r.text("case_id"), column, v))
		}
	}
	return all
}
