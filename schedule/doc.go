// Package schedule makes what runs a clean-up again and again: an event of MySQL
// and MariaDB or a job of SQL Server Agent around the procedure
// TOKENSWEEP_CLEAN, or a unit of cron, systemd or Kubernetes around the command
// tokensweep clean.
//
// What a schedule says is a wall clock in a time zone ([Times]). Each kind says
// it in its own way or refuses what it cannot say exactly; nothing is rounded.
package schedule
