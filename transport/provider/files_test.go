package provider_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"slices"
	"strings"
	"testing"
)

// toolkit lists the files that profiles are built from. Every other file describes an
// API.
var toolkit = []string{
	"algorithm.go", "call.go", "clock.go", "doc.go", "field.go", "graphqlcodes.go", "json.go", "jwt.go", "login.go", "option.go", "origins.go", "part.go",
	"profile.go", "refusal.go", "session.go", "signing.go",
}

// nothing is an importer that imports no package: what a file uses of its own package
// is still found.
type nothing struct{}

func (nothing) Import(string) (*types.Package, error) { return nil, errors.New("not imported") }

// A file that describes an API uses only exported names of the other files, so that
// users can write the same outside the package.
func TestProfilesUseExportedNames(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
	}
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object)}
	config := types.Config{Importer: nothing{}, Error: func(error) {}}
	_, _ = config.Check("provider", fset, files, info) // names of other packages are unknown
	file := func(pos token.Pos) string { return fset.Position(pos).Filename }
	used := 0
	for ident, object := range info.Uses {
		user := file(ident.Pos())
		if slices.Contains(toolkit, user) || object.Pkg() == nil || !object.Pos().IsValid() || file(object.Pos()) == user {
			continue
		}
		used++
		if !object.Exported() {
			t.Errorf("%s uses %s of %s", fset.Position(ident.Pos()), object.Name(), file(object.Pos()))
		}
	}
	if used < 300 {
		t.Errorf("%d uses of other files were seen: too few", used)
	}
	for _, file := range files {
		name := fset.Position(file.Pos()).Filename
		describes := slices.ContainsFunc(file.Decls, func(d ast.Decl) bool {
			f, ok := d.(*ast.FuncDecl)
			return ok && f.Recv == nil && f.Name.IsExported() && f.Type.Results != nil && types.ExprString(f.Type.Results.List[0].Type) == "Profile"
		})
		if describes == slices.Contains(toolkit, name) {
			t.Errorf("%s: describes an API: %v", name, describes)
		}
	}
}
