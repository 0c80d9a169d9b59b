// Package dump reads what mysqldump and mariadb-dump write and restores one
// schema of it into a throw-away server.
//
// A dump is plain text, or gzip or zstd of it (told by the first bytes, not by
// the file's name), of one schema or of a whole server. [Inspect] reads it once
// without any server and says what it is and whether it is whole; [Restore]
// does the same first, so that a bad dump is refused before anything changes.
// Both need the memory of one statement, not of the file.
//
// # What is restored
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
// # What is refused
//
// Every fault is an [*Error], which names the line of the uncompressed text: a
// dump that was cut off, whose bytes contradict its character set, that needs
// another server than the one at hand, or that holds a statement larger than
// the server takes.
package dump
