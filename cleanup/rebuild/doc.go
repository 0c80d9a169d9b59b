// Package rebuild is the clean-up for a dump or a maintenance window on MySQL and
// MariaDB: it copies the rows that stay into new tables and swaps those in by one
// RENAME TABLE. Until the swap the tables are read and locked against writers, and
// nothing else; README.md says what each step leaves behind if it is the last one.
package rebuild
