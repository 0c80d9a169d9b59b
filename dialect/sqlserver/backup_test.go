package sqlserver_test

import (
	"github.com/tokensweep/tokensweep/dialect"
	"github.com/tokensweep/tokensweep/dialect/sqlserver"
	"github.com/tokensweep/tokensweep/schema"
)

// backupStatements are those that keep rows and put them back.
func backupStatements(d sqlserver.Dialect, found *schema.Database, gone dialect.SQL) []dialect.SQL {
	root, _ := found.Table(schema.AccessToken)
	all := []dialect.SQL{dialect.SelectMatching(d, root.Name, dialect.ExportAll(d, root.Name, root.Columns), gone)}
	for _, child := range found.Children(root.Name) {
		table, _ := found.Table(child.Table())
		all = append(all, d.SelectVia(child.Path, dialect.ExportAll(d, table.Name, table.Columns), dialect.Text("1 = 0")))
	}
	all = append(all, d.Bind(dialect.Concat("SELECT 1 WHERE ", dialect.HangsOn(d, found.Children(root.Name)[0].Path, gone))))
	var columns []schema.Column
	for _, columnType := range []string{"datetime2(7)", "datetimeoffset(3)", "date", "time(7)", "money", "decimal(30,10)", "uniqueidentifier", "bit", "xml", "float(53)"} {
		columns = append(columns, schema.Column{Name: "C", Type: columnType})
	}
	all = append(all, dialect.Text("SELECT ", dialect.ExportAll(d, "T", columns)))
	for _, c := range columns {
		all = append(all, dialect.Text(d.Import(c, c)))
	}
	before, after := d.GivenIDs(schema.RequestObject)
	return append(all, texts(append(before, after...)...)...)
}
