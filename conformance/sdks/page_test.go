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

// The markers between which the page has the table.
const (
	begin = "<!-- sdks: begin, written by go test -tags all -update in conformance/sdks -->\n"
	end   = "<!-- sdks: end -->"
)

// head is the head of the table.
const head = "| SDK | key | line | failed of calls | attempts a call | what does not work |\n|---|---|---|---|---|---|\n"

// row returns an SDK's row.
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

// version reads a module's version out of go.mod.
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

// lines returns what the page shows of an SDK's set-up: the lines of its code that
// are marked "page: key" and "page: line".
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
		t.Fatalf("%s: no line is marked for the page", name)
	}
	if strings.HasSuffix(line, "{") {
		line += " ... }"
	}
	return key, line
}

// page holds the rows against the table in README.md; with -update and every SDK
// in the build it writes them there.
func page(t *testing.T, rows []string) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := bytes.Cut(text, []byte(begin))
	table, after, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		t.Fatal("README.md has no place for the table")
	}
	if *update {
		if !complete {
			t.Fatal("-update wants every SDK: -tags all")
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
			t.Errorf("README.md does not have this row: run make sdks\n%s", r)
		}
	}
	if n := strings.Count(head, "\n") + len(rows); complete && strings.Count(string(table), "\n") != n {
		t.Errorf("README.md has other rows than these %d SDKs: run make sdks", len(rows))
	}
}
