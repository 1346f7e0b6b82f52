package sdks

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The table is between these markers in README.md.
const (
	begin = "<!-- sdks: begin, written by go test -tags all -update in conformance/sdks -->\n"
	end   = "<!-- sdks: end -->"
)

const head = "| SDK | key | line | failed calls | attempts per call | remarks |\n|---|---|---|---|---|---|\n"

// row returns the row of an SDK; all are its results over each protocol.
func row(t *testing.T, s sdk, all []result) string {
	var sum result
	for _, r := range all {
		sum.calls += r.calls
		sum.failed += r.failed
		sum.steady = max(sum.steady, r.steady)
		sum.switched = max(sum.switched, r.switched)
		sum.own = max(sum.own, r.own)
	}
	key, line := lines(t, s.name)
	note := s.note
	if s.http1 {
		note = strings.TrimSpace(note + " HTTP/1.1 only.")
	}
	return fmt.Sprintf("| %s %s | `%s` | `%s` | %d of %d | %d, %d (%d) | %s |\n", s.name, version(t, s.module),
		key, line, sum.failed, sum.calls, sum.steady, sum.switched, sum.own, note)
}

// version returns a module's version in go.mod.
func version(t *testing.T, module string) string {
	t.Helper()
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mod)) {
		if f := strings.Fields(strings.TrimPrefix(line, "require ")); len(f) >= 2 && f[0] == module {
			return strings.TrimSuffix(f[1], "+incompatible")
		}
	}
	t.Fatalf("go.mod does not require %s", module)
	return ""
}

var (
	named  = regexp.MustCompile(`^\s*name:\s+"([^"]+)"`)
	marked = regexp.MustCompile(`^\s*(?:profile:\s+)?(?:\w+(?:, \w+)* := )?(.*?),?\s*// page: (key|line)$`)
	alias  = regexp.MustCompile(`\b[a-z]+option\.`)
)

// lines returns the lines of the SDK's code that are marked "page: key" and
// "page: line".
func lines(t *testing.T, name string) (key, line string) {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		code, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		in := false
		for l := range strings.Lines(string(code)) {
			l = strings.TrimRight(l, "\n")
			if m := named.FindStringSubmatch(l); m != nil {
				in = m[1] == name
			}
			m := marked.FindStringSubmatch(l)
			switch {
			case m == nil || !in:
			case m[2] == "key":
				key = m[1]
			case line == "":
				line = strings.Join(strings.Fields(alias.ReplaceAllString(m[1], "option.")), " ")
			default:
				line += "; " + m[1]
			}
		}
	}
	if key == "" || line == "" {
		t.Fatalf(`%s: its code has no lines marked "page: key" and "page: line"`, name)
	}
	if strings.HasSuffix(line, "{") {
		line += " ... }"
	}
	return key, line
}

// page compares the rows with the table in README.md. With -update, it writes them
// there, for which the build must have every SDK.
func page(t *testing.T, rows []string) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := bytes.Cut(text, []byte(begin))
	table, after, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		t.Fatal("README.md lacks the markers for the table")
	}
	if *update {
		if !complete {
			t.Fatal("-update needs every SDK: add -tags all")
		}
		if !t.Failed() {
			fresh := slices.Concat(before, []byte(begin+head+strings.Join(rows, "")+end), after)
			if err := os.WriteFile("README.md", fresh, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	have := strings.SplitAfter(string(table), "\n")
	for _, r := range rows {
		if !slices.Contains(have, r) {
			t.Errorf("README.md lacks this row: run make sdks\n%s", r)
		}
	}
	if n := strings.Count(head, "\n") + len(rows); complete && strings.Count(string(table), "\n") != n {
		t.Errorf("README.md has rows of other SDKs than these %d: run make sdks", len(rows))
	}
}
