// Package seed makes deterministic test data and loads it.
//
// Position i of a Spec, that is a token with its children, the authorization
// code and CIBA request that came with it and now and then an old audit row,
// is a pure function of the Spec and i. It is the same on every machine and
// with every Go version, can be made without the positions before it, and so
// can be loaded in parallel, resumed, and counted without a database.
//
// Every token is of a class, and the class says for each policy whether the
// row must go. These verdicts are declared here by hand, not computed by
// package token: Expect and the verifier are two independent oracles.
//
// Fill makes and fills the tables of a release in an empty database; Load fills
// tables that exist, such as those of a product's own database.
package seed
