// Package measure runs clean-up engines on identical copies of the same data,
// one after the other, verifies each, and records what it took.
//
// A sample is: the server is set back to its frozen data files; the pre-image is
// taken, which also reads the tables into the server's cache; the engine runs,
// while the server's counters and the memory of both sides are watched; the server
// is left alone until it has purged what was deleted; every row is accounted for.
// The engine works in sessions of its own, which are asked at their end what was done
// in them: what others do meanwhile, we among them, is not in its counters.
//
// The engines of one round run right after each other, in another order each
// round, so that a machine that gets slower meanwhile slows all of them.
//
// With a reference a fixed piece of work runs beside each engine, whose CPU time says how
// fast the machine was meanwhile; see bench.Normalized.
//
// With load (see package load) the traffic of users runs alone after the pre-image
// was taken and then beside the engine until that ends. What its clients were told
// is compared with the tables, and its rows are taken out, before every row of the
// pre-image is accounted for; so speed and rows removed are those of the seeded rows
// alone, while counters and CPU are those of both. A client that lost a token makes
// the sample unverified, and so does an engine that fails beside the traffic; errors
// of clients are counted.
package measure
