package schema

import (
	"slices"
	"strings"
)

// Hop is one step from a child table towards the root of a clean-up: the
// child's Columns refer to the parent's ParentColumns.
type Hop struct {
	Table         string
	Columns       []string
	Parent        string
	ParentColumns []string
}

// Fate is what happens to a child row when the clean-up removes its root row.
type Fate int

// Fates of child rows.
const (
	Cascades Fate = iota // the foreign key removes it
	ByHand               // a table of the product without a cascading key: it must be deleted first
	Holds                // a table that the product does not know refuses the delete of its parent
)

// Child is a table whose rows hang, directly or over other tables, on rows of
// the root.
type Child struct {
	Path       []Hop // from the child to the root, at least one
	Fate       Fate
	ForeignKey string // name of the key of the first hop, "" if only the product knows the link
	Rule       Rule   // that key's delete rule
}

// Table is the name of the child table.
func (c Child) Table() string { return c.Path[0].Table }

// links are the parent and child columns of the product's own tables, for
// schemas in which the foreign key is missing or does not cascade.
var links = []Hop{
	{AccessTokenScope, []string{"TOKEN_ID"}, AccessToken, []string{"TOKEN_ID"}},
	{TokenAttributes, []string{"TOKEN_ID"}, AccessToken, []string{"TOKEN_ID"}},
	{TokenBinding, []string{"TOKEN_ID"}, AccessToken, []string{"TOKEN_ID"}},
	{RequestObject, []string{"TOKEN_ID"}, AccessToken, []string{"TOKEN_ID"}},
	{AuthzCodeScope, []string{"CODE_ID"}, AuthzCode, []string{"CODE_ID"}},
	{DPoPThumbprint, []string{"CODE_ID"}, AuthzCode, []string{"CODE_ID"}},
	{RequestObject, []string{"CODE_ID"}, AuthzCode, []string{"CODE_ID"}},
	{RequestClaims, []string{"REQ_OBJECT_ID"}, RequestObject, []string{"ID"}},
	{RequestValues, []string{"REQ_OBJECT_CLAIMS_ID"}, RequestClaims, []string{"ID"}},
	{CIBAScope, []string{"AUTH_CODE_KEY"}, CIBACode, []string{"AUTH_CODE_KEY"}},
}

// IsProductTable reports whether clean-up knows the table as one of the
// product's.
func IsProductTable(name string) bool {
	return slices.ContainsFunc(links, func(h Hop) bool { return strings.EqualFold(h.Table, name) || strings.EqualFold(h.Parent, name) })
}

// Children finds every table below root, parents before their own children.
// A table that hangs on root over two keys is listed once for each.
func (d *Database) Children(root string) []Child {
	var found []Child
	d.descend(root, nil, &found)
	return found
}

func (d *Database) descend(parent string, path []Hop, found *[]Child) {
	for _, c := range d.directChildren(parent) {
		if c.Table() == "" || revisits(path, c.Table()) {
			continue
		}
		c.Path = append(slices.Clone(c.Path), path...)
		*found = append(*found, c)
		if c.Fate != Holds {
			d.descend(c.Table(), c.Path, found)
		}
	}
}

func revisits(path []Hop, table string) bool {
	return slices.ContainsFunc(path, func(h Hop) bool {
		return strings.EqualFold(h.Table, table) || strings.EqualFold(h.Parent, table)
	})
}

// directChildren lists foreign keys to parent that matter, then the product's
// links to it for which there is no such key.
func (d *Database) directChildren(parent string) []Child {
	var found []Child
	for _, ref := range d.References(parent) {
		if strings.EqualFold(ref.Table.Name, parent) || ref.Key.OnDelete == SetNull || ref.Key.OnDelete == SetDefault {
			continue
		}
		hop := Hop{ref.Table.Name, ref.Key.Columns, parent, ref.Key.RefColumns}
		c := Child{Path: []Hop{hop}, ForeignKey: ref.Key.Name, Rule: ref.Key.OnDelete}
		if ref.Key.OnDelete.Refuses() {
			c.Fate = Holds
			if slices.ContainsFunc(links, hop.same) {
				c.Fate = ByHand
			}
		}
		found = append(found, c)
	}
	for _, link := range links {
		known := slices.ContainsFunc(found, func(c Child) bool { return link.same(c.Path[0]) })
		table, ok := d.Table(link.Table)
		if !known && ok && strings.EqualFold(link.Parent, parent) && table.Has(link.Columns...) {
			hop := link
			hop.Table, hop.Parent = table.Name, parent
			found = append(found, Child{Path: []Hop{hop}, Fate: ByHand})
		}
	}
	return found
}

func (h Hop) same(other Hop) bool {
	return strings.EqualFold(h.Table, other.Table) && sameNames(h.Columns, other.Columns) &&
		strings.EqualFold(h.Parent, other.Parent) && sameNames(h.ParentColumns, other.ParentColumns)
}
