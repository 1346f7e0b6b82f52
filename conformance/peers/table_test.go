package peers_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
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

var update = flag.Bool("update", false, "write the table into README.md here and, where it has the markers, at the root")

// TestPeers runs the suite over every peer. This project passes every case,
// peers are free to fail, and the tables that are committed say what the run
// gives, in every cell.
func TestPeers(t *testing.T) {
	list := peers.Peers()
	results := run(t, list)
	if *update {
		for _, cell := range settle(t, list, results, run(t, list)) {
			t.Errorf("%s: nothing is written", cell)
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
				t.Errorf("%s does not pass %s over %s: %s", p.Name, r.Name, r.Protocol, r.Detail)
			default:
				t.Logf("%s: %s over %s: %s", p.Name, r.Name, r.Protocol, r.Detail)
			}
			if strings.Contains(r.Detail, conformance.Sentinel) {
				t.Errorf("%s: the detail of %s holds a secret", p.Name, r.Name)
			}
		}
	}
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	table := peers.Table(list, peers.Versions(mod), results)
	for _, path := range []string{"README.md", "../../README.md"} {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		fresh, ok := peers.Replace(text, table)
		switch {
		case !ok && path == "README.md":
			t.Fatalf("%s has no place for the table", path)
		case !ok || bytes.Equal(fresh, text):
		case !*update:
			t.Errorf("the table in %s is not what the suite says: run go test -update\n%s", path, table)
		case t.Failed():
		default:
			if err := os.WriteFile(path, fresh, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// run runs the suite over every peer.
func run(t *testing.T, list []peers.Peer) map[string][]conformance.Result {
	results := make(map[string][]conformance.Result)
	var mu sync.Mutex
	var wg sync.WaitGroup
	turn := make(chan struct{}, 3) // at a time: most of a run is waiting
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

// short is the limit for peers: what is known to fail need not be waited for.
const short = 5 * time.Second

// rerun runs one case of a peer's anew, and puts what it gives into results.
func rerun(t *testing.T, p peers.Peer, c conformance.Case, results []conformance.Result) {
	h := conformance.TransportHarness{New: p.New, Skip: make(map[string]string), Limit: short}
	for _, other := range conformance.TransportCases() {
		if other.Name != c.Name {
			h.Skip[other.Name] = "not what is run anew"
		}
	}
	for i, r := range conformance.TransportResults(t, h) {
		if r.Name == c.Name {
			results[i] = r
		}
	}
}

// settle compares two runs. A case that went otherwise in the second is run three
// times more, which must agree, and what they say goes into results. It returns the
// cells that have no one answer.
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
				unsettled = append(unsettled, fmt.Sprintf("%s: %s is %q in turn", p.Name, c.Name, cells))
			}
		}
	}
	return unsettled
}

// What is written is what several runs agree on.
func TestSettle(t *testing.T) {
	const name = "NilHeader"
	skip := make(map[string]string)
	for _, c := range conformance.TransportCases() {
		if c.Name != name {
			skip[c.Name] = "not what this is about"
		}
	}
	ok := peers.Peers()[0].New
	for _, c := range []struct {
		passes    []bool // over both protocols, in turn
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

// again runs the cases of peers anew that went otherwise than the table says,
// three times at most: some peers do not do the same twice, since a retry's pause
// or a body that is still being sent decides. What never goes as the table says
// stays as it went.
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
				t.Logf("%s: %s is %q, the table says %q", p.Name, c.Name, peers.Cell(c.Name, results[p.Name]), want)
				rerun(t, p, c, results[p.Name])
			}
		}
	}
}
