// Package script runs a clean-up script of someone else, usually the vendor's
// stored procedure, as an engine on a throw-away database, so that the verifier
// can judge what it does.
package script
