// Package command runs another program as a clean-up engine, so that the verifier
// can judge what it does and the benchmark how fast it is.
package command
