// Package backup keeps the rows that a clean-up removes in a file, and puts them
// back.
//
// A Writer is a cleanup.RowKeeper: it reads the rows of each batch under the
// batch's locks and has them on the disk before the batch is committed. Open reads
// a file whole and refuses one that is damaged, foreign or not a backup. Restore
// puts rows back, never over anything that came after them.
//
// The README of this directory argues the format.
package backup
