package conformance_test

import (
	"go/ast"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// F125: every constructor of every module skips nil options. Each package with
// functional options applies them with package option, or in a loop that checks for
// nil.
func TestRulesOfOptions(t *testing.T) {
	declares, applies := make(map[string]bool), make(map[string]bool) // by folder
	for path, f := range sources(t) {
		dir := filepath.Dir(path)
		if strings.HasSuffix(path, "_test.go") || dir == "../source/internal/option" || strings.Contains(dir, "/vaultserver/") {
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
				switch calls, looks := callsEach(n); {
				case looks:
					applies[dir] = true
				case calls:
					t.Errorf("%s calls its options without a look whether they are nil", path)
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
			t.Errorf("%s has options that it does not apply", dir)
		}
	}
}

// callsEach reports whether a loop calls each of a list of options, and whether it
// checks them for nil.
func callsEach(loop *ast.RangeStmt) (calls, looks bool) {
	each, ok := loop.Value.(*ast.Ident)
	over := false
	ast.Inspect(loop.X, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		over = over || ok && strings.HasPrefix(strings.ToLower(id.Name), "opt")
		return true
	})
	if !ok || !over {
		return false, false
	}
	ast.Inspect(loop.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IfStmt:
			not, ok := n.Cond.(*ast.BinaryExpr)
			looks = looks || ok && not.Op == token.NEQ && isName(not.X, each.Name) && isName(not.Y, "nil")
		case *ast.ExprStmt:
			call, ok := n.X.(*ast.CallExpr)
			calls = calls || ok && isName(call.Fun, each.Name)
		}
		return true
	})
	return calls, calls && looks
}

func isName(n ast.Expr, name string) bool {
	id, ok := n.(*ast.Ident)
	return ok && id.Name == name
}
