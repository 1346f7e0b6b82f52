// Package googletest tests this SDK's transport, and the tokens of package oauth, with clients
// of google.golang.org/api. It is a module of its own, so that users of package oauth do not
// depend on those clients.
package googletest
