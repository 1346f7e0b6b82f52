// Package sdks tests real SDKs over this project's client. Each SDK gets the client
// with the one line that a user would write. The tests rotate the key while the SDK
// sends requests, and write the results into README.md, "Under an SDK".
//
//	go test                          # the SDKs that build in seconds
//	go test -tags all                # all SDKs
//	go test -tags all -run . -update # writes the page (make sdks)
//
// The package is a module of its own, so that no other module depends on the SDKs. The
// heavy SDKs have the build tag "all": without it, the go command neither downloads nor
// compiles them.
package sdks
