// Package dialect is what one database needs said differently: SQL text, bulk
// loading and error classes. A dialect is a small pure value; it never touches
// a connection, so that its text can be tested as text and run by anyone.
//
// What all databases share (the structure of the policies, the order of a
// batch) is in this package and built from the primitives of Dialect. What only
// some can do is a separate interface: BulkLoader, RowCopier, Mover, Counter,
// LockLimiter, LogGauge, RunLocker, Procedural, SchemaUser.
package dialect
