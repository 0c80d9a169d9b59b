// Package measure runs clean-up engines on identical copies of the same data,
// one after the other, verifies each, and records what it took.
//
// A sample is: the server is set back to its frozen data files; the pre-image is
// taken, which also reads the tables into the server's cache; the engine runs,
// while the server's counters and the memory of both sides are watched; the server
// is left alone until it has purged what was deleted; every row is accounted for.
// The engines of one round run right after each other, in another order each
// round, so that a machine that gets slower meanwhile slows all of them.
package measure
