// Package tsql reads scripts of Transact-SQL as sqlcmd and SQL Server Management
// Studio do, and says of every statement what it is. It knows no server and no
// file: [Reader] cuts a text into batches at its GO lines, [Parse] takes a batch
// apart.
//
// Transact-SQL has no mark between statements, so their borders are found by
// keywords. That is exact for what tools script (tables, rows, constraints,
// modules) and careful with the rest: a statement that is not known is said to
// be not known, and never taken for another one.
package tsql
