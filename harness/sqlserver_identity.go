package harness

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// oldestSQLServer is SQL Server 2016, the first with DATEDIFF_BIG, without which
// the life of a token cannot be told to the millisecond.
const oldestSQLServer = 13

// years are what people call the major versions.
var years = map[int]string{9: "2005", 10: "2008", 11: "2012", 12: "2014", 13: "2016", 14: "2017", 15: "2019", 16: "2022", 17: "2025"}

// services are values of EngineEdition that are no SQL Server of one's own. Their
// version number stands still at 12.0 or so, and says nothing of what they can do.
var services = map[int]string{
	5:  "Azure SQL Database",
	8:  "Azure SQL Managed Instance",
	9:  "Azure SQL Edge",
	12: "SQL database in Fabric",
}

// properties are what a server says of itself.
type properties struct {
	version, update, edition string // e.g. "16.0.4135.4", "CU14", "Developer Edition (64-bit)"
	engine                   int    // EngineEdition
	babelfish                string // its version, "" if it is none
	banner                   string // @@VERSION
}

// identify asks a server who it is, and refuses one that is too old.
func identify(ctx context.Context, db *sql.DB, via string) (Server, error) {
	var version, update, edition, babelfish, banner sql.NullString
	var engine sql.NullInt64
	err := db.QueryRowContext(ctx, "SELECT CAST(SERVERPROPERTY('ProductVersion') AS NVARCHAR(128)), CAST(SERVERPROPERTY('ProductUpdateLevel') AS NVARCHAR(128)), "+
		"CAST(SERVERPROPERTY('Edition') AS NVARCHAR(128)), CAST(SERVERPROPERTY('EngineEdition') AS INT), "+
		"CAST(SERVERPROPERTY('BabelfishVersion') AS NVARCHAR(128)), CAST(@@VERSION AS NVARCHAR(4000))").
		Scan(&version, &update, &edition, &engine, &babelfish, &banner)
	if err != nil {
		return Server{}, fmt.Errorf("asking the server for its version: %w", err)
	}
	s, err := properties{version.String, update.String, edition.String, int(engine.Int64), babelfish.String, banner.String}.server()
	s.Via = via
	return s, err
}

// postgres finds the version underneath in Babelfish's banner.
var postgres = regexp.MustCompile(`PostgreSQL (\d+(\.\d+)*)`)

// server names it as what it is: what it imitates is not what it is.
func (p properties) server() (Server, error) {
	if p.babelfish != "" {
		s := Server{Product: "Babelfish", Version: strings.TrimSuffix(p.babelfish, ".0")}
		if under := postgres.FindStringSubmatch(p.banner); under != nil {
			s.Version += " on PostgreSQL " + under[1]
		}
		return s, nil
	}
	if service, ok := services[p.engine]; ok {
		return Server{Product: service, Version: p.version}, nil
	}
	first, _, _ := strings.Cut(p.version, ".")
	major, err := strconv.Atoi(first)
	if err != nil {
		return Server{}, fmt.Errorf("the server says that its version is %q, which is none of SQL Server", p.version)
	}
	s := Server{Product: productName(SQLServer), Version: p.release(major)}
	if major < oldestSQLServer {
		return s, &OptionError{Problem: fmt.Sprintf("the server is SQL Server %s: SQL Server 2016 or later is needed, because an earlier one has no DATEDIFF_BIG", s.Version)}
	}
	return s, nil
}

// release is e.g. "2022 CU14 (16.0.4135.4), Developer Edition".
func (p properties) release(major int) string {
	name := p.version
	if year, ok := years[major]; ok {
		name = strings.TrimSpace(year+" "+p.update) + " (" + p.version + ")"
	}
	if edition := strings.TrimSuffix(p.edition, " (64-bit)"); edition != "" {
		name += ", " + edition
	}
	return name
}
