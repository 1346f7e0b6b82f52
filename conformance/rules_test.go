package conformance_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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

// Rules that hold for the code itself.
//
//   - F96: nothing shipped dumps or traces requests.
//   - F98: no hash is made of a secret to be shown: the core has no unkeyed hash.
//     The providers hash bodies, as their exchanges want, and modules of their own
//     do what their backends want.
//   - F100: what Expose returns is not compared with ==, but with "".
//   - F110: a test sleeps only in a synctest bubble, where no time passes, or
//     between two looks at what is not its to signal; benchmarks may.
func TestRules(t *testing.T) {
	core := []string{"../source/", "../transport/", "../client/"}
	for path, f := range sources(t) {
		test := strings.HasSuffix(path, "_test.go")
		shipped := !test && slices.ContainsFunc(core, func(dir string) bool { return strings.HasPrefix(path, dir) }) && !strings.Contains(path, "internal/")
		_, module := os.Stat(filepath.Join(filepath.Dir(path), "go.mod"))
		own := shipped && !strings.HasPrefix(path, "../transport/provider/") && module != nil
		for _, p := range imports(f) {
			if shipped && (p == "net/http/httputil" || p == "net/http/httptrace") {
				t.Errorf("F96: %s imports %s", path, p)
			}
			if own && (strings.HasPrefix(p, "crypto/sha") || p == "crypto/md5" || strings.HasPrefix(p, "hash/")) {
				t.Errorf("F98: %s imports %s", path, p)
			}
		}
		bubble := slices.Contains(imports(f), "testing/synctest") || strings.HasSuffix(path, "bench_test.go")
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				return n.Name.Name != "eventually" // asks again and again, up to a deadline
			case *ast.CallExpr:
				if test && !bubble && isCall(n, "Sleep") {
					t.Errorf("F110: %s sleeps outside a bubble", path)
				}
			case *ast.BinaryExpr:
				if shipped && (n.Op == token.EQL || n.Op == token.NEQ) && (isCall(n.X, "Expose") && !isEmpty(n.Y) || isCall(n.Y, "Expose") && !isEmpty(n.X)) {
					t.Errorf("F100: %s compares a secret with %s", path, n.Op)
				}
			}
			return true
		})
	}
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
