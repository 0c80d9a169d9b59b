// Package bench holds what a benchmark of clean-up engines measured, and judges
// it: a Record is read and written as JSON and as Go benchmark text, two of them
// are compared, and a gate says whether the newer one is slower than it may be.
//
// README.md in this folder says why the statistics are what they are.
package bench
