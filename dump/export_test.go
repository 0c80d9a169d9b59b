package dump

// WithMessages is tested on a server, which tests of this package itself cannot
// have: the harness imports it.
var WithMessages = withMessages
