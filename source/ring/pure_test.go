package ring

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"
)

// What is pure has no lock, goroutine, channel or clock: the ring calls it under its
// lock and says what time it is.
func TestPureFiles(t *testing.T) {
	const source = "github.com/rollingkeys/rollingkeys/source"
	for name, may := range map[string][]string{
		"policy.go":   {"time", "slices"},
		"ladder.go":   {"time", "slices"},
		"verdict.go":  {"time", "slices"},
		"trial.go":    {"slices"},
		"pause.go":    {"time", "math/rand/v2"},
		"roster.go":   {"time", "fmt", "slices", source},
		"overlap.go":  {"time", "slices"},
		"admit.go":    {"time", "fmt", "slices", source},
		"naming.go":   {"time", "fmt", "slices", "strings", "unicode", source},
		"digest.go":   {"crypto/hmac", "crypto/rand", "crypto/sha256", "encoding/binary", "io", "maps", "slices", source},
		"saved.go":    {"time", "slices", source},
		"version.go":  {"time", "sync/atomic", source},
		"degraded.go": {"time", "errors", "fmt", "slices"},
		"ledger.go":   {"time", "slices"},
		"health.go":   {"time", "errors", "math/rand/v2", source},
	} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range file.Imports {
			if path, _ := strconv.Unquote(i.Path.Value); !slices.Contains(may, path) {
				t.Errorf("%s imports %s", name, path)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt, *ast.ChanType, *ast.SelectStmt:
				t.Errorf("%s has a %T", name, n)
			case *ast.SelectorExpr:
				pkg, _ := n.X.(*ast.Ident)
				clock := []string{"Now", "Since", "Until", "After", "AfterFunc", "Tick", "Sleep", "NewTimer", "NewTicker"}
				if pkg != nil && pkg.Name == "time" && slices.Contains(clock, n.Sel.Name) {
					t.Errorf("%s reads the clock: time.%s", name, n.Sel.Name)
				}
			}
			return true
		})
	}
}
