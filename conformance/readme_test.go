package conformance_test

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// around declares what the README's snippets use without declaring it.
const around = `package readme

import (
	"context"
	"encoding/json"
	"log"
	"net/http"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

var (
	c    *client.Client
	ctx  context.Context
	mine *http.Client
	mux  *http.ServeMux
	page func(ring.Event)

	openai struct{ NewClient func(...any) any } // SDKs have modules of their own: conformance/sdks
	option struct {
		WithHTTPClient func(*http.Client) any
		WithAPIKey     func(string) any
	}

	req  *http.Request
)

func _() error {
`

// TestReadmeCompiles compiles each Go snippet of the README as a function body.
// Unused variables and imports are allowed.
func TestReadmeCompiles(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	snippets := regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllSubmatchIndex(readme, -1)
	if want := bytes.Count(readme, []byte("```go")); len(snippets) != want || want == 0 {
		t.Fatalf("%d snippets, want %d", len(snippets), want)
	}
	fset := token.NewFileSet()
	config := types.Config{Importer: compiled(t, fset), Error: func(err error) {
		if e := (types.Error{}); !errors.As(err, &e) || !e.Soft {
			t.Error(err)
		}
	}}
	for _, s := range snippets {
		line := bytes.Count(readme[:s[2]], []byte("\n")) + 1
		text := fmt.Sprintf("%s//line README.md:%d\n%sreturn nil\n}\n", around, line, readme[s[2]:s[3]])
		f, err := parser.ParseFile(fset, "", text, parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			continue
		}
		_, _ = config.Check("readme", fset, []*ast.File{f}, nil) // reports to config.Error
	}
}

// compiled returns an importer of the packages in around, as go list compiled them.
func compiled(t *testing.T, fset *token.FileSet) types.Importer {
	t.Helper()
	f, err := parser.ParseFile(fset, "", around+"}", parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", append([]string{"list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}"}, imports(f)...)...)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		files[path] = file
	}
	return importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(files[path]) })
}
