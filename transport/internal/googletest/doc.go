// Package googletest holds the project's transport, and tokens of package oauth, against
// clients of google.golang.org/api, in a module of its own, so that those are no
// dependency of its users.
package googletest
