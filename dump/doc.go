// Package dump reads what mysqldump, mariadb-dump and the tools of SQL Server
// write and restores one schema of it into a throw-away server.
//
// A dump of MySQL or MariaDB, and a script of SQL Server, are plain text, or gzip
// or zstd of it (told by the first bytes, not by the file's name), of one schema
// or of a whole server. [Inspect] reads it once without any server and says what
// it is and whether it is whole; [Restore] does the same first, so that a bad
// dump is refused before anything changes. Both need the memory of one statement
// or batch, not of the file. A backup of SQL Server (.bak) is only read by the
// server: [RestoreBackup].
//
// # What is restored from MySQL and MariaDB
//
// The tables, rows, views, triggers and routines of one schema go into the
// current schema of the connection, whatever its name is; a name of the dump's
// schema in front of a table or trigger is taken away. One connection runs the
// statements in their order, with the session variables that the dump sets.
// Definers become the user who restores: a throw-away server does not have the
// users of the original.
//
// Never run, only counted in [Info.SkippedKinds]: other schemas, USE, CREATE
// and DROP DATABASE (its character set is taken over), users and grants, global
// variables and GTIDs, replication, plug-ins, and events: a restored event
// could fire and delete rows on its own. A statement that no dump holds is an
// error, since the file then is something else.
//
// Views are skipped too where they refer to what the dump does not hold, such
// as another schema.
//
// # What is restored from a script of SQL Server
//
// A script is what SQL Server Management Studio (Generate Scripts, schema and
// data), mssql-scripter and other tools on the same library write: batches of
// Transact-SQL between GO lines, in UTF-8 or UTF-16. The schemas, tables, rows,
// constraints, indexes and modules of one database go into the current database
// of the connection, in their order and on one connection. The name of the
// database in front of an object is taken away, filegroups become PRIMARY, and
// schemas belong to the user who restores. Modules (views, procedures,
// functions) that the server does not take are tried again at the end.
//
// Never run: USE, CREATE and ALTER DATABASE (its collation is taken over),
// logins, users, roles and rights, full-text, Service Broker, extended
// properties, procedures of the server, queries and commands to the server.
// They are counted in [Info.SkippedKinds]. So are other databases, and modules
// that name another database; anything else that does is refused, so that no
// database but the one at hand is touched. A call of a procedure of the
// database, a text that is put together before it is run, a file that is read,
// and commands to sqlcmd other than ":on error" are refused as well.
//
// Statements that only insert rows are sent together and committed in large
// transactions. A batch that grows large is parted between its INSERT
// statements if it has no variables and blocks; then the parts do what the batch
// would. At the end the rows of each table are compared with those that the
// script inserts.
//
// A script has no end stamp: one that was cut off is found unless that was right
// behind a GO line, and [Info.Notes] says so.
//
// # What is refused
//
// Every fault is an [*Error], which names the line of the uncompressed text: a
// dump that was cut off, whose bytes contradict its character set, that needs
// another server than the one at hand, or that holds a statement larger than
// the server takes.
package dump
