package peers_test

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/conformance/peers"
)

var update = flag.Bool("update", false, "write the table into README.md")

// TestPeers runs the suite over every peer. This project must pass every case; peers
// may fail. The committed tables must agree with the results in every cell.
func TestPeers(t *testing.T) {
	list := peers.Peers()
	results := run(t, list)
	if *update {
		for _, cell := range settle(t, list, results, run(t, list)) {
			t.Errorf("%s: the table was not written", cell)
		}
	} else {
		again(t, list, results)
	}
	for _, p := range list {
		for _, r := range results[p.Name] {
			switch {
			case r.Outcome == conformance.Passed:
			case r.Outcome == conformance.Skipped && len(p.Skip) > 0:
			case p.Name == list[0].Name:
				t.Errorf("%s fails %s over %s: %s", p.Name, r.Name, r.Protocol, r.Detail)
			default:
				t.Logf("%s: %s over %s: %s", p.Name, r.Name, r.Protocol, r.Detail)
			}
			if strings.Contains(r.Detail, conformance.Sentinel) {
				t.Errorf("%s: the detail of %s contains a secret", p.Name, r.Name)
			}
		}
	}
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	table := peers.Table(list, peers.Versions(mod), results)
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	fresh, ok := peers.Replace(text, table)
	switch {
	case !ok:
		t.Fatal("README.md lacks the markers for the table")
	case bytes.Equal(fresh, text):
	case !*update:
		t.Errorf("the table in README.md differs from the results: run go test -update\n%s", table)
	case t.Failed():
	default:
		if err := os.WriteFile("README.md", fresh, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs the suite over every peer.
func run(t *testing.T, list []peers.Peer) map[string][]conformance.Result {
	results := make(map[string][]conformance.Result)
	var mu sync.Mutex
	var wg sync.WaitGroup
	turn := make(chan struct{}, 3) // three peers at a time: most of a run is waiting
	for _, p := range list {
		wg.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			h := conformance.TransportHarness{New: p.New, Skip: p.Skip}
			if p.Module != "" {
				h.Limit = short
			}
			r := conformance.TransportResults(t, h)
			mu.Lock()
			defer mu.Unlock()
			results[p.Name] = r
		})
	}
	wg.Wait()
	return results
}

// short is the time limit of cases for peers. Many of them fail, so that a longer
// limit would only take time.
const short = 5 * time.Second

// rerun runs one case of a peer again and replaces its results.
func rerun(t *testing.T, p peers.Peer, c conformance.Case, results []conformance.Result) {
	h := conformance.TransportHarness{New: p.New, Skip: make(map[string]string), Limit: short}
	for _, other := range conformance.TransportCases() {
		if other.Name != c.Name {
			h.Skip[other.Name] = "only one case is run again"
		}
	}
	for i, r := range conformance.TransportResults(t, h) {
		if r.Name == c.Name {
			results[i] = r
		}
	}
}

// settle compares the results of two runs. It runs a case three times more if they
// differ, and puts the last results into results. It returns a message for each case
// whose three runs differ.
func settle(t *testing.T, list []peers.Peer, results, second map[string][]conformance.Result) (unsettled []string) {
	for _, p := range list {
		for _, c := range conformance.TransportCases() {
			if peers.Cell(c.Name, results[p.Name]) == peers.Cell(c.Name, second[p.Name]) {
				continue
			}
			var cells []string
			for range 3 {
				rerun(t, p, c, results[p.Name])
				cells = append(cells, peers.Cell(c.Name, results[p.Name]))
			}
			if len(slices.Compact(slices.Clone(cells))) > 1 {
				unsettled = append(unsettled, fmt.Sprintf("%s: %s has different results in three runs, %q", p.Name, c.Name, cells))
			}
		}
	}
	return unsettled
}

// settle keeps results on which several runs agree, and reports the others.
func TestSettle(t *testing.T) {
	const name = "NilHeader"
	skip := make(map[string]string)
	for _, c := range conformance.TransportCases() {
		if c.Name != name {
			skip[c.Name] = "the test needs one case only"
		}
	}
	ok := peers.Peers()[0].New
	for _, c := range []struct {
		passes    []bool // the outcome of each run, over both protocols
		cell      string
		unsettled int
	}{
		{[]bool{true, true}, "yes", 0},
		{[]bool{true, false, true, true, true}, "yes", 0},
		{[]bool{true, false, false, false, false}, "no", 0},
		{[]bool{true, false, true, false, true}, "yes", 1},
	} {
		made := 0
		p := peers.Peer{Name: "fickle", Skip: skip, New: func(t testing.TB, keys *conformance.Keys, base http.RoundTripper) (http.RoundTripper, func()) {
			made++
			if !c.passes[(made-1)/2] {
				t.Fatal("not now")
			}
			return ok(t, keys, base)
		}}
		list := []peers.Peer{p}
		results := run(t, list)
		unsettled := settle(t, list, results, run(t, list))
		if cell := peers.Cell(name, results[p.Name]); cell != c.cell || len(unsettled) != c.unsettled || made != 2*len(c.passes) {
			t.Errorf("%v: %q, %q, %d made", c.passes, cell, unsettled, made)
		}
	}
}

// again runs cases of peers again, at most three times, until their results agree with
// the table. The results of some peers vary: they depend on the pause before a retry,
// or on whether a body is still being sent. If no run agrees, the last results stay.
func again(t *testing.T, list []peers.Peer, results map[string][]conformance.Result) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for n, p := range list[1:] {
		for _, c := range conformance.TransportCases() {
			want := peers.Written(text, c.Name, n+1)
			for try := 0; try < 3 && want != peers.Cell(c.Name, results[p.Name]); try++ {
				t.Logf("%s: the result of %s is %q, the table has %q", p.Name, c.Name, peers.Cell(c.Name, results[p.Name]), want)
				rerun(t, p, c, results[p.Name])
			}
		}
	}
}
