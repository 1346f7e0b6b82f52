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

// TestPeers runs the suite over every peer. What it asserts is about this
// project: it passes every case, and the table that is committed is what the
// run gives. Peers are free to fail.
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
		case !*update && ours(fresh) == ours(text):
			// Some peers do not do the same twice; what the table says of them is
			// what the last update saw.
			t.Logf("%s says something else of a peer than this run", path)
		case !*update:
			t.Errorf("the table in %s is not what the suite says: run go test -update\n%s", path, table)
		default:
			if err := os.WriteFile(path, fresh, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// ours is what a table says of the suite, the versions and our own results.
func ours(text []byte) string {
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "| version") {
			b.WriteString(line)
			continue
		}
		b.WriteString(strings.Join(cells[:min(3, len(cells))], "|") + "\n")
	}
	return b.String()
}
