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
//
// The rule is asked twice, so a row that becomes removable between lock and DELETE
// would be gone without its audit. Such a batch shows by its counts, is rolled back
// and done again with half the keys. Half the keys are examined and deleted in half
// the time, so the chance for that falls with the square of their number, and traffic
// of any density is got through; after each batch without it the number doubles again,
// up to what the call asks for. Only a row for which it happens three times in a row
// when it is alone ends the run: more attempts would not tell a busy row from one that
// something changes whenever it is touched. Batches that were done again are counted
// as MISMATCHES, and their keys are examined once.
package procedure
