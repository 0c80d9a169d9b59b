// Package harness gets a database and runs a clean-up scenario on it.
//
// # Getting a database
//
// [Open] returns a [Target]: a schema on a server, with a connection pool and
// the dialect that fits. The server comes from one of four places:
//
//   - a container, by the Docker engine that answers on this machine;
//   - a process, a mysqld or mariadbd binary of this machine with a private data
//     directory;
//   - a DSN, a server of the user's, which is never changed beyond what the
//     caller does with it;
//   - embedded, SQLite in a temporary file.
//
// The first, second and last are throw-away servers: [Target.Close] removes
// them with everything in them. So does the end of this process, whatever way
// it ends, a SIGKILL included: the servers are on a leash, a pipe or an attached
// connection that the operating system closes. What even that misses (the machine
// crashed) is swept when the next server is started.
//
// SQL Server has no process. It comes from a container, for which the user has
// to accept Microsoft's licence (Options.AcceptEULA), or from the server that the
// environment variable TOKENSWEEP_SQLSERVER_DSN names: throw-away databases are
// made and dropped there, and what else is there is left alone. If this process
// is killed, such a database stays; its name begins with tokensweep_.
//
// # In a test
//
// [ForTest] gives a test a fresh schema. The servers behind it are shared by all
// tests of the test binary and end with it; a TestMain that calls [Main] ends
// them before the binary exits.
//
//	func TestCleanup(t *testing.T) {
//		t.Parallel()
//		target := harness.ForTest(t, harness.Options{DB: "mysql"})
//		_, err := target.DB.ExecContext(t.Context(), "CREATE TABLE ...")
//		...
//	}
//
// A test is skipped only if no server of that kind can be had, see
// [UnavailableError], and fails even then if the environment variable
// TOKENSWEEP_REQUIRE lists the kind, as in TOKENSWEEP_REQUIRE=mysql,sqlserver.
package harness
