package conformance_test

import (
	"go/ast"
	"path/filepath"
	"strings"
	"testing"
)

// F125: a nil option is skipped by every constructor of every module. Each
// package that has functional options applies them with package option, which
// skips nil, and none calls its options itself.
func TestRulesOfOptions(t *testing.T) {
	declares, applies := make(map[string]bool), make(map[string]bool) // by folder
	for path, f := range sources(t) {
		dir := filepath.Dir(path)
		if strings.HasSuffix(path, "_test.go") || dir == "../internal/option" || strings.Contains(dir, "/vaultserver/") {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.TypeSpec:
				if _, ok := n.Type.(*ast.FuncType); ok && strings.HasSuffix(n.Name.Name, "Option") {
					declares[dir] = true
				}
			case *ast.CallExpr:
				if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Apply" && isName(sel.X, "option") {
					applies[dir] = true
				}
			case *ast.RangeStmt:
				if callsEach(n) {
					t.Errorf("%s calls its options itself, and not with package option", path)
				}
			}
			return true
		})
	}
	if len(declares) < 10 {
		t.Errorf("%d packages with options", len(declares))
	}
	for dir := range declares {
		if !applies[dir] {
			t.Errorf("%s has options that it does not apply with package option", dir)
		}
	}
}

// callsEach reports whether a loop is one over options that calls each of them.
func callsEach(loop *ast.RangeStmt) (calls bool) {
	each, ok := loop.Value.(*ast.Ident)
	over := false
	ast.Inspect(loop.X, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		over = over || ok && strings.HasPrefix(strings.ToLower(id.Name), "opt")
		return true
	})
	if !ok || !over {
		return false
	}
	ast.Inspect(loop.Body, func(n ast.Node) bool {
		if x, ok := n.(*ast.ExprStmt); ok {
			call, ok := x.X.(*ast.CallExpr)
			calls = calls || ok && isName(call.Fun, each.Name)
		}
		return true
	})
	return calls
}

func isName(n ast.Expr, name string) bool {
	id, ok := n.(*ast.Ident)
	return ok && id.Name == name
}
