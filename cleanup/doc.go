// Package cleanup removes tokens, authorization codes and CIBA requests.
//
// A Plan is made from the tables found; it can be printed, counted (a dry run)
// and handed to an Engine. Batch is the engine for a live database: small
// transactions in primary-key order, the rule checked under lock, audit copy
// and removal in one transaction, a ledger that makes it exactly-once. The
// package README argues why it is built this way.
package cleanup
