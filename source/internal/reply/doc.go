// Package reply reads what a server's reply, or the want of one, tells a source
// that asks over HTTP.
//
// It says so in its own words. Those of net/http hold the URL with its query,
// and what the peer sent instead of HTTP; certificate errors hold what the peer
// wrote into the certificate. None of that may reach a log (F57, F95, F103).
package reply
