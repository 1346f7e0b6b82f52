package peers

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/rollingkeys/rollingkeys/conformance"
)

// The table is between these markers in a file.
const (
	begin = "<!-- peers: begin, written by go test -update in conformance/peers -->"
	end   = "<!-- peers: end -->"
)

// Table returns a Markdown table with a row for each case and a column for each peer
// of list. results maps the names of the peers to their results, versions the paths
// of their modules to the versions.
func Table(list []Peer, versions map[string]string, results map[string][]conformance.Result) string {
	var b strings.Builder
	b.WriteString("| case |")
	for _, p := range list {
		fmt.Fprintf(&b, " %s |", p.Name)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(list)) + "\n| version |")
	for _, p := range list {
		fmt.Fprintf(&b, " %s |", version(p, versions))
	}
	b.WriteByte('\n')
	for _, c := range conformance.TransportCases() {
		fmt.Fprintf(&b, "| **%s** %s |", c.Name, c.Doc)
		for _, p := range list {
			fmt.Fprintf(&b, " %s |", Cell(c.Name, results[p.Name]))
		}
		b.WriteByte('\n')
	}
	b.WriteString("| passed |")
	for _, p := range list {
		passed, all := 0, 0
		for _, c := range conformance.TransportCases() {
			switch Cell(c.Name, results[p.Name]) {
			case "yes":
				passed++
				all++
			case "-":
			default:
				all++
			}
		}
		fmt.Fprintf(&b, " %d of %d |", passed, all)
	}
	b.WriteByte('\n')
	return b.String()
}

func version(p Peer, versions map[string]string) string {
	if v := versions[p.Module]; v != "" {
		return v
	}
	return "this"
}

// Versions returns the versions of the modules that the text of a go.mod file
// requires, by module path.
func Versions(mod []byte) map[string]string {
	list := make(map[string]string)
	for line := range strings.Lines(string(mod)) {
		if f := strings.Fields(line); len(f) >= 2 && strings.HasPrefix(f[1], "v") {
			list[f[0]] = f[1]
		}
	}
	return list
}

// Cell returns the table's cell for the named case: "yes" if it passed over all
// protocols, "no" if over none, "HTTP/2 only" or similar if over one, and "-" if it
// was skipped.
func Cell(name string, results []conformance.Result) string {
	var passed []string
	all := 0
	for _, r := range results {
		if r.Name != name {
			continue
		}
		if r.Outcome == conformance.Skipped {
			return "-"
		}
		all++
		if r.Outcome == conformance.Passed {
			passed = append(passed, r.Protocol)
		}
	}
	switch len(passed) {
	case 0:
		return "no"
	case all:
		return "yes"
	}
	return strings.Join(passed, ", ") + " only"
}

// Written returns the cell of the table in text for the named case and the peer with
// index n in [Peers], or "" if there is none.
func Written(text []byte, name string, n int) string {
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); strings.HasPrefix(line, "| **"+name+"** ") && n+2 < len(cells) {
			return strings.TrimSpace(cells[n+2])
		}
	}
	return ""
}

// Replace returns text with table between the markers. It returns text itself and
// false if text has no markers.
func Replace(text []byte, table string) ([]byte, bool) {
	before, rest, ok := bytes.Cut(text, []byte(begin+"\n"))
	if !ok {
		return text, false
	}
	_, after, ok := bytes.Cut(rest, []byte(end))
	if !ok {
		return text, false
	}
	return bytes.Join([][]byte{before, []byte(begin + "\n"), []byte(table), []byte(end), after}, nil), true
}
