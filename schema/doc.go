// Package schema describes tables: those found in a database (see Read) and
// those that a product release is known to have (see Releases).
//
// The engine and the verifier work from what was found, never from what a
// release should have, so every release and every extra table of a customer is
// treated alike. The releases are only for making test databases.
package schema
