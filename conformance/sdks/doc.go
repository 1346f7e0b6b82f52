// Package sdks puts real SDKs over this project's client, each by the one line
// that a user writes, rotates the key under them, and writes what came of it:
// README.md here, "Under an SDK".
//
//	go test                          # the SDKs that build in seconds
//	go test -tags all                # all of them
//	go test -tags all -run . -update # writes the page (make sdks)
//
// A module of its own keeps their modules out of everybody else's. It is one
// module, with the heavy SDKs behind the build tag "all": the go command downloads
// and compiles what the files of a build import, and nothing else of its go.mod.
package sdks
