// Package reply turns the responses and errors of a store into errors of package source, and
// reads the headers that say when to read again.
//
// Its errors have texts of their own. The errors of net/http contain the URL with its query, or
// what the peer sent instead of HTTP. Certificate errors contain text from the certificate. None
// of that may get into a log (F57, F95, F103).
package reply
