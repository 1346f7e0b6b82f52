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

// shipped returns the files that users compile: those of the packages that they
// can import, and of the internal packages that these import. It leaves out
// packages that only tests import, such as test servers.
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

// TestRulesOfWhatIsShipped checks rules for the code that users compile.
//
//   - F96: nothing shipped dumps or traces requests.
//   - F98: the core uses hashes only through hmac.New, so that no unkeyed hash of
//     a secret can be shown. The rule does not hold for the providers, which hash
//     bodies as their exchanges require, nor for modules of their own.
//   - F100: the result of Expose is compared with == to "" only.
//   - F111: nothing shipped handles a signal.
func TestRulesOfWhatIsShipped(t *testing.T) {
	files := shipped(sources(t))
	if files["../source/internal/versions/values.go"] == nil || files["../source/vault/internal/vaulttest/server.go"] != nil {
		t.Fatal("shipped is wrong: it must list ../source/internal/versions and not ../source/vault/internal/vaulttest")
	}
	for path, f := range files {
		_, module := os.Stat(filepath.Join(filepath.Dir(path), "go.mod"))
		own := !strings.HasPrefix(path, "../transport/provider/") && module != nil
		for _, p := range imports(f) {
			if p == "net/http/httputil" || p == "net/http/httptrace" {
				t.Errorf("F96: %s imports %s, which could show a request with its key", path, p)
			}
			if own && (p == "crypto/md5" || strings.HasPrefix(p, "hash/")) {
				t.Errorf("F98: %s imports %s; the core makes no unkeyed hashes", path, p)
			}
			if p == "os/signal" {
				t.Errorf("F111: %s imports %s; signals are the program's own", path, p)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && own && hashes(call) {
				t.Errorf("F98: %s makes an unkeyed hash; use hmac.New", path)
			}
			if n, ok := n.(*ast.BinaryExpr); ok && (n.Op == token.EQL || n.Op == token.NEQ) &&
				(isCall(n.X, "Expose") && !isEmpty(n.Y) || isCall(n.Y, "Expose") && !isEmpty(n.X)) {
				t.Errorf("F100: %s compares a secret with %s; use Secret.Equal", path, n.Op)
			}
			return true
		})
	}
}

// TestRulesOfTests checks rules for the tests.
//
//   - F95: every secret begins with a sentinel, because .ci/sweep searches the
//     output of the tests for sentinels. Examples are exempt: their output is
//     part of their source.
//   - F110: a test sleeps only in a synctest bubble, where sleeping takes no real
//     time, or in a function eventually that polls what cannot signal.
//     Benchmarks are exempt.
func TestRulesOfTests(t *testing.T) {
	for path, f := range sources(t) {
		if !strings.HasSuffix(path, "_test.go") {
			continue
		}
		bubble := slices.Contains(imports(f), "testing/synctest") || strings.HasSuffix(path, "bench_test.go")
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			bubble = bubble || ok && isCall(call, "SyncTest") // of package rapid
			return true
		})
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				return n.Name.Name != "eventually" // polls until a deadline
			case *ast.CallExpr:
				if !bubble && isCall(n, "Sleep") {
					t.Errorf("F110: %s sleeps outside a synctest bubble", path)
				}
				if text, ok := secret(n); ok && !sentinel(text) && !strings.HasSuffix(path, "example_test.go") {
					t.Errorf("F95: %s has the secret %q; begin it with rksentinel_ or sentinel-", path, text)
				}
			}
			return true
		})
	}
}

// secret returns the beginning of the literal argument of NewSecret.
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

// sentinel reports whether .ci/sweep finds a secret that begins with text.
func sentinel(text string) bool {
	switch {
	case strings.HasPrefix(text, conformance.Sentinel), strings.HasPrefix(text, "sentinel-"):
		return true
	case strings.TrimSpace(text) == "": // a test of an empty secret
		return true
	case strings.HasPrefix(text, "-----BEGIN "): // the sentinel is inside the PEM block
		return strings.Contains(text, "sentinel") || strings.HasSuffix(text, "-----\n")
	}
	return false
}

// hashes reports whether call calls a function of crypto/sha1, sha256, sha512 or sha3.
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
