package conformance_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
)

// sources parses every Go file of the repository.
func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	files := make(map[string]*ast.File)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		files[path], err = parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		return err
	})
	if err != nil || len(files) < 50 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	return files
}

func imports(f *ast.File) []string {
	var list []string
	for _, i := range f.Imports {
		list = append(list, strings.Trim(i.Path.Value, `"`))
	}
	return list
}

const module = "github.com/rollingkeys/rollingkeys/"

// shipped returns the files that users compile: those of the packages they can
// import, and those of the internal packages that these import in turn. What
// only tests import, such as servers to test with, is not among them.
func shipped(all map[string]*ast.File) map[string]*ast.File {
	packages := make(map[string][]string) // files by folder
	for path := range all {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		for _, dir := range []string{"../internal/", "../source/", "../transport/", "../client/"} {
			if strings.HasPrefix(path, dir) {
				packages[filepath.Dir(path)] = append(packages[filepath.Dir(path)], path)
			}
		}
	}
	files := make(map[string]*ast.File)
	var add func(dir string)
	add = func(dir string) {
		for _, path := range packages[dir] {
			if files[path] != nil {
				continue
			}
			files[path] = all[path]
			for _, p := range imports(all[path]) {
				if rest, ok := strings.CutPrefix(p, module); ok {
					add(filepath.Join("..", rest))
				}
			}
		}
	}
	for dir := range packages {
		if !strings.Contains(dir+"/", "/internal/") {
			add(dir)
		}
	}
	return files
}

// Rules that hold for the code itself.
//
//   - F96: nothing shipped dumps or traces requests.
//   - F98: no hash is made of a secret to be shown: the core has no unkeyed hash,
//     and calls none but through hmac.New. The providers hash bodies, as their exchanges want, and modules of their own
//     do what their backends want.
//   - F100: what Expose returns is not compared with ==, but with "".
//   - F111: nothing shipped handles a signal.
func TestRulesOfWhatIsShipped(t *testing.T) {
	files := shipped(sources(t))
	if files["../source/internal/versions/values.go"] == nil || files["../source/vault/internal/vaulttest/server.go"] != nil {
		t.Fatal("what is shipped is not told from what is for tests")
	}
	for path, f := range files {
		_, module := os.Stat(filepath.Join(filepath.Dir(path), "go.mod"))
		own := !strings.HasPrefix(path, "../transport/provider/") && module != nil
		for _, p := range imports(f) {
			if p == "net/http/httputil" || p == "net/http/httptrace" {
				t.Errorf("F96: %s imports %s", path, p)
			}
			if own && (p == "crypto/md5" || strings.HasPrefix(p, "hash/")) {
				t.Errorf("F98: %s imports %s", path, p)
			}
			if p == "os/signal" {
				t.Errorf("F111: %s imports %s", path, p)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && own && hashes(call) {
				t.Errorf("F98: %s makes an unkeyed hash", path)
			}
			if n, ok := n.(*ast.BinaryExpr); ok && (n.Op == token.EQL || n.Op == token.NEQ) &&
				(isCall(n.X, "Expose") && !isEmpty(n.Y) || isCall(n.Y, "Expose") && !isEmpty(n.X)) {
				t.Errorf("F100: %s compares a secret with %s", path, n.Op)
			}
			return true
		})
	}
}

// Rules that hold for the tests.
//
//   - F95: every secret in them begins with a sentinel, for which all that they
//     print is searched. Examples are read, and what they print is written down.
//   - F110: a test sleeps only in a synctest bubble, where no time passes, or
//     between two looks at what is not its to signal; benchmarks may.
func TestRulesOfTests(t *testing.T) {
	for path, f := range sources(t) {
		if !strings.HasSuffix(path, "_test.go") {
			continue
		}
		bubble := slices.Contains(imports(f), "testing/synctest") || strings.HasSuffix(path, "bench_test.go")
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			bubble = bubble || ok && isCall(call, "SyncTest") // rapid's
			return true
		})
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				return n.Name.Name != "eventually" // asks again and again, up to a deadline
			case *ast.CallExpr:
				if !bubble && isCall(n, "Sleep") {
					t.Errorf("F110: %s sleeps outside a bubble", path)
				}
				if text, ok := secret(n); ok && !sentinel(text) && !strings.HasSuffix(path, "example_test.go") {
					t.Errorf("F95: %s has the secret %q, which no search would find", path, text)
				}
			}
			return true
		})
	}
}

// secret returns what a literal secret begins with.
func secret(call *ast.CallExpr) (text string, ok bool) {
	name, ok := call.Fun.(*ast.Ident)
	if sel, isSel := call.Fun.(*ast.SelectorExpr); isSel {
		name, ok = sel.Sel, true
	}
	if !ok || name.Name != "NewSecret" || len(call.Args) != 1 {
		return "", false
	}
	arg := call.Args[0]
	for {
		sum, ok := arg.(*ast.BinaryExpr)
		if !ok {
			break
		}
		arg = sum.X
	}
	lit, ok := arg.(*ast.BasicLit)
	if !ok {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// sentinel reports whether .ci/sweep finds a secret that begins so.
func sentinel(text string) bool {
	switch {
	case strings.HasPrefix(text, conformance.Sentinel), strings.HasPrefix(text, "sentinel-"):
		return true
	case strings.TrimSpace(text) == "": // a key that is none
		return true
	case strings.HasPrefix(text, "-----BEGIN "): // the sentinel lies within
		return strings.Contains(text, "sentinel") || strings.HasSuffix(text, "-----\n")
	}
	return false
}

// hashes reports whether the call is one of package crypto/sha256 or its like.
func hashes(call *ast.CallExpr) bool {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := sel.X.(*ast.Ident)
	return ok && strings.HasPrefix(pkg.Name, "sha") && len(pkg.Name) <= len("sha256")
}

func isCall(n ast.Expr, method string) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	return ok && sel.Sel.Name == method
}

func isEmpty(n ast.Expr) bool {
	lit, ok := n.(*ast.BasicLit)
	return ok && lit.Value == `""`
}
