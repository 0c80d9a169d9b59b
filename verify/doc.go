// Package verify accounts for every row of a database before and after a
// clean-up and gives a verdict. It does not believe the engine: it reads the
// tables itself, byte by byte, and judges rows with package token alone.
//
// Capture takes the pre-image, Check compares it with what is there now. Both
// stream in key order and hash in Go, so they work alike on every database and
// keep 40 bytes a row, on disk past a limit. The package README argues why.
package verify
