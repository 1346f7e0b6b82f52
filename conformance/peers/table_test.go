package peers_test

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
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
	results := make(map[string][]conformance.Result)
	var mu sync.Mutex
	var wg sync.WaitGroup
	turn := make(chan struct{}, 3) // at a time: most of a run is waiting
	for _, p := range list {
		wg.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			h := conformance.TransportHarness{New: p.New, Skip: p.Skip}
			if p.Name != list[0].Name {
				h.Limit = 5 * time.Second // what is known to fail need not be waited for
			}
			r := conformance.TransportResults(t, h)
			mu.Lock()
			defer mu.Unlock()
			results[p.Name] = r
		})
	}
	wg.Wait()
	if !*update {
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
		default:
			if err := os.WriteFile(path, fresh, 0o644); err != nil {
				t.Fatal(err)
			}
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
				h := conformance.TransportHarness{New: p.New, Skip: make(map[string]string), Limit: 5 * time.Second}
				for _, other := range conformance.TransportCases() {
					if other.Name != c.Name {
						h.Skip[other.Name] = "not what is run anew"
					}
				}
				fresh := conformance.TransportResults(t, h)
				for i, r := range results[p.Name] {
					if r.Name == c.Name && r.Outcome != conformance.Skipped {
						results[p.Name][i] = fresh[i]
					}
				}
			}
		}
	}
}
