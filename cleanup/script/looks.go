package script

import (
	"maps"
	"slices"
	"strings"

	"github.com/tokensweep/tokensweep/internal/mysqltext"
	"github.com/tokensweep/tokensweep/schema"
)

// marks are words that the scripts for one kind of database have and those for
// others have not. Two words are looked for one behind the other.
var marks = map[string][]string{
	"MySQL": {"DELIMITER", "END IF", "END REPEAT", "END WHILE", "ELSEIF", "AUTO_INCREMENT", "ENGINE", "SQL_MODE", "DATE_ADD", "DATE_SUB", "ITERATE", "LEAVE",
		"DETERMINISTIC", "DO SLEEP", "UTC_TIMESTAMP"},
	"SQL Server": {"GO", "DBO", "NOCOUNT", "XACT_ABORT", "GETUTCDATE", "GETDATE", "SYSUTCDATETIME", "DATEADD", "WAITFOR", "SP_EXECUTESQL", "NVARCHAR", "DATETIME2",
		"BEGIN TRANSACTION", "BEGIN TRAN", "RAISERROR", "OBJECT_ID", "@@ROWCOUNT", "@@ERROR", "@@FETCH_STATUS"},
	"Oracle":     {"VARCHAR2", "SYSTIMESTAMP", "ROWID", "DBMS_LOCK", "DBMS_OUTPUT", "EXECUTE IMMEDIATE", "SYS_EXTRACT_UTC", "USER_TABLES", "ALL_TABLES"},
	"PostgreSQL": {"PLPGSQL", "RAISE NOTICE", "PG_SLEEP", "TIMESTAMPTZ", "PG_TABLES", "RETURNS VOID", "PG_CATALOG"},
	"DB2":        {"SYSCAT", "SYSIBM", "DBMS_ALERT", "CURRENT TIMESTAMP", "SYSPROC", "TERMINATOR"},
}

// speaksFor counts how much of a text speaks for each kind of database.
func speaksFor(s string) map[string]int {
	score := map[string]int{}
	last := ""
	l := &mysqltext.Lexer{Text: []byte(s)}
	for t := l.Next(); t.Kind != mysqltext.End; t = l.Next() {
		this := strings.ToUpper(string(t.Raw))
		switch {
		case t.Kind == mysqltext.Name:
			score["MySQL"]++
		case t.Is("["):
			score["SQL Server"]++
		case t.Kind == mysqltext.Word && (last == "DECLARE" && strings.HasPrefix(this, "@")):
			score["SQL Server"]++
		}
		for kind, words := range marks {
			for _, w := range words {
				if w == this || w == last+" "+this {
					score[kind]++
				}
			}
		}
		last = this
	}
	return score
}

// kindOf is the kind of database by its name here.
func kindOf(p schema.Product) string {
	if p == schema.SQLServer {
		return "SQL Server"
	}
	return "MySQL"
}

// requireKind refuses a script that was written for another kind of database.
func requireKind(s string, on schema.Product) error {
	score, like := speaksFor(s), kindOf(on)
	for _, kind := range slices.Sorted(maps.Keys(score)) {
		if score[kind] > score[like] {
			like = kind
		}
	}
	if like == kindOf(on) {
		return nil
	}
	remedy := "give the script for " + kindOf(on)
	switch like {
	case "MySQL":
		remedy += ", or run it with --db mysql or --db mariadb"
	case "SQL Server":
		remedy += ", or run it with --db sqlserver"
	}
	return refuse(0, remedy, "this looks like a script for %s, and the database is %s", like, kindOf(on))
}
