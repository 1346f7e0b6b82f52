package main

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
)

// asProgram is the environment variable that makes the test binary run the program.
const asProgram = "QUICKSTART_AS_PROGRAM"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "mockapi" || os.Getenv(asProgram) != "" { // as the mock API, or as the program
		main()
		return
	}
	os.Exit(m.Run())
}

// F95: in one run of every step no request fails and no secret is printed, neither in
// lines nor in the live table.
func TestQuickstart(t *testing.T) {
	for name, live := range map[string]bool{"lines": false, "table": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			ok, err := run(t.Context(), &out, live, len(steps), 8)
			if err != nil || !ok {
				t.Fatalf("%v\n%s", err, out.String())
			}
			if strings.Contains(out.String(), mockapi.Sentinel) || !strings.Contains(out.String(), "failures") {
				t.Errorf("output: %s", out.String())
			}
			// One line for each step, with the figures at its end.
			line := regexp.MustCompile(`(?m)^rotation \d of \d: .*; in use \S+, requests [1-9]\d*, absorbed \d+, fall-backs \d+, failures 0$`)
			if n := len(line.FindAllString(out.String(), -1)); !live && n != len(steps) {
				t.Errorf("%d lines of steps:\n%s", n, out.String())
			}
		})
	}
}

// The watcher counts a secret that is written in pieces.
func TestWatcherFinds(t *testing.T) {
	w := &watcher{out: io.Discard}
	for _, c := range "a " + mockapi.Sentinel + "x, and " + mockapi.Sentinel {
		_, _ = io.WriteString(w, string(c))
	}
	if n := w.leaks(); n != 2 {
		t.Errorf("found %d", n)
	}
}

// The log is searched too, including debug lines.
//
// F95
func TestLogIsSearched(t *testing.T) {
	log, logged := newLog()
	log.Debug("key "+mockapi.Sentinel, "key", mockapi.Sentinel)
	if n := logged.leaks(); n != 2 {
		t.Errorf("found %d", n)
	}
}
