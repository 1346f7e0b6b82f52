// Faults prints, for every known fault, the tests that prove its absence. It fails
// if a fault has neither a test nor a reason in faults.txt, or has both.
//
//	go run ./.ci/faults
//
// A test, or a case of the conformance suites, proves the faults that a comment
// above it or within it names. No other mention counts. The tests of the mock API do
// not count either: they are about the mock.
package main

import (
	_ "embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

//go:embed faults.txt
var reasons string

// known are the ranges of the faults that this version knows.
var known = [][2]int{{1, 125}, {127, 127}, {129, 142}, {144, 144}, {147, 148}, {152, 155}, {158, 183}}

var (
	id   = regexp.MustCompile(`\bF\d{2,3}\b`)
	test = regexp.MustCompile(`^(Test|Fuzz)[^a-z]`)
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

func run() error {
	out, err := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.go").Output()
	if err != nil {
		return err
	}
	proofs := make(map[string][]string)
	for _, path := range strings.Split(strings.Trim(string(out), "\x00"), "\x00") {
		if _, err := os.Stat(path); err != nil { // deleted, but not committed yet
			continue
		}
		if err := read(path, proofs); err != nil {
			return err
		}
	}
	why := make(map[string]string)
	for line := range strings.Lines(reasons) {
		name, reason, _ := strings.Cut(strings.TrimSpace(line), " ")
		why[name] = reason
	}
	missing := 0
	var names []string
	for _, r := range known {
		for n := r[0]; n <= r[1]; n++ {
			names = append(names, fmt.Sprintf("F%02d", n))
		}
	}
	for _, name := range names {
		list := slices.Compact(slices.Sorted(slices.Values(proofs[name])))
		switch {
		case len(list) > 0 && why[name] != "":
			fmt.Printf("%-5s HAS TESTS, AND A REASON FOR HAVING NONE\n", name)
			missing++
		case len(list) > 0:
			fmt.Printf("%-5s %s\n", name, strings.Join(list, " "))
		case why[name] != "":
			fmt.Printf("%-5s not tested: %s\n", name, why[name])
		default:
			fmt.Printf("%-5s HAS NEITHER TEST NOR REASON\n", name)
			missing++
		}
	}
	if missing > 0 {
		return fmt.Errorf("%d faults have neither test nor reason, or both", missing)
	}
	return nil
}

// read adds to proofs the faults that the tests and cases in the file prove.
func read(path string, proofs map[string][]string) error {
	dir := filepath.Dir(path)
	suite := dir == "conformance"
	if !strings.HasSuffix(path, "_test.go") && !suite || strings.HasPrefix(dir, "conformance/mockapi") {
		return nil
	}
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || !test.MatchString(fn.Name.Name) && !(suite && isCase(fn)) {
			continue
		}
		from := fn.Pos()
		if fn.Doc != nil {
			from = fn.Doc.Pos()
		}
		for _, c := range f.Comments {
			if c.Pos() < from || c.End() > fn.End() {
				continue
			}
			for _, name := range id.FindAllString(c.Text(), -1) {
				proofs[name] = append(proofs[name], dir+"."+fn.Name.Name)
			}
		}
	}
	return nil
}

// isCase reports whether the function is a case of a suite.
func isCase(fn *ast.FuncDecl) bool {
	if fn.Recv != nil || len(fn.Type.Params.List) != 1 {
		return false
	}
	star, ok := fn.Type.Params.List[0].Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	name, ok := star.X.(*ast.Ident)
	return ok && strings.HasSuffix(name.Name, "Trial")
}
