// Package procedure makes TOKENSWEEP_CLEAN, a stored procedure that removes tokens,
// authorization codes and CIBA codes as package cleanup does, for people who may
// not run a program next to production.
//
// Generate writes it for the tables found, as one script that the mysql client or
// sqlcmd takes; Install runs that very script. Engine makes it an engine like any
// other, for throw-away databases, so that the verifier can judge it.
//
// A call has one cut-off. Each batch is one transaction, in which rows are locked
// under the rule, copied to the audit table, deleted with their children under the
// same rule and accounted for in TOKENSWEEP_RUNS, which Runs reads. There are no
// work tables.
package procedure
