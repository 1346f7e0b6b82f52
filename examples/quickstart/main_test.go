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

// asProgram in the environment makes the test's binary the program.
const asProgram = "QUICKSTART_AS_PROGRAM"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "mockapi" || os.Getenv(asProgram) != "" { // run as its own mock API, or as itself
		main()
		return
	}
	os.Exit(m.Run())
}

// F95: one round of every step: nothing fails, and no secret is printed, be it
// by lines or by the live table.
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
			// One line a step, with the figures at its end.
			line := regexp.MustCompile(`(?m)^rotation \d of \d: .*; in use \S+, requests [1-9]\d*, absorbed \d+, fall-backs \d+, failures 0$`)
			if n := len(line.FindAllString(out.String(), -1)); !live && n != len(steps) {
				t.Errorf("%d lines of steps:\n%s", n, out.String())
			}
		})
	}
}

// The watcher finds a secret that is written in pieces.
func TestWatcherFinds(t *testing.T) {
	w := &watcher{out: io.Discard}
	for _, c := range "a " + mockapi.Sentinel + "x, and " + mockapi.Sentinel {
		_, _ = io.WriteString(w, string(c))
	}
	if n := w.leaks(); n != 2 {
		t.Errorf("found %d", n)
	}
}

// The log is searched too, what no handler would show by default included.
//
// F95
func TestLogIsSearched(t *testing.T) {
	log, logged := newLog()
	log.Debug("key "+mockapi.Sentinel, "key", mockapi.Sentinel)
	if n := logged.leaks(); n != 2 {
		t.Errorf("found %d", n)
	}
}
