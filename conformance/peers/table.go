package peers

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/rollingkeys/rollingkeys/conformance"
)

// The markers between which a file has the table.
const (
	begin = "<!-- peers: begin, written by go test -update in conformance/peers -->"
	end   = "<!-- peers: end -->"
)

// Table writes results, by the peer's name, as a Markdown table: a row for each
// case, a column for each peer. versions are those of the peers' modules.
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

// Versions reads the versions of modules out of a go.mod file.
func Versions(mod []byte) map[string]string {
	list := make(map[string]string)
	for line := range strings.Lines(string(mod)) {
		if f := strings.Fields(line); len(f) >= 2 && strings.HasPrefix(f[1], "v") {
			list[f[0]] = f[1]
		}
	}
	return list
}

// Cell says how the case went: over both protocols, one of them, or neither; "-"
// where it does not apply.
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

// Written returns what the table in text says of the case, in the n-th peer's
// column, empty if it says nothing.
func Written(text []byte, name string, n int) string {
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); strings.HasPrefix(line, "| **"+name+"** ") && n+2 < len(cells) {
			return strings.TrimSpace(cells[n+2])
		}
	}
	return ""
}

// Replace returns text with the table between its markers, and whether it has them.
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
