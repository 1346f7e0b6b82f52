package conformance_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestCoreStaysLean fails if package client compiles another package, or if the
// core's go.mod brings more modules. A source with heavy dependencies is a module
// of its own.
func TestCoreStaysLean(t *testing.T) {
	list := func(args ...string) []string {
		cmd := exec.Command("go", append([]string{"list"}, args...)...)
		cmd.Dir = ".."
		cmd.Env = append(os.Environ(), "GOWORK=off")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(out))
	}
	compiled := list("-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./client")
	compiled = slices.DeleteFunc(compiled, func(p string) bool { return strings.HasPrefix(p, "github.com/rollingkeys/rollingkeys") })
	want := []string{
		"github.com/fsnotify/fsnotify", "github.com/fsnotify/fsnotify/internal", "github.com/hashicorp/go-cleanhttp",
		"github.com/hashicorp/go-retryablehttp", "golang.org/x/oauth2", "golang.org/x/oauth2/clientcredentials",
		"golang.org/x/oauth2/internal", "golang.org/x/sys/unix",
	}
	slices.Sort(compiled)
	if !slices.Equal(compiled, want) {
		t.Errorf("package client compiles %q, want %q", compiled, want)
	}
	const most = 19 // the core itself, what it requires, test tools included, and what those name
	if modules := list("-m", "-f", "{{.Path}}", "all"); len(modules) > most {
		t.Errorf("%d modules, want at most %d: %q", len(modules), most, modules)
	}
}

// TestReadmeLinks checks that each relative link of a page leads to a file, that a link
// named for a test or a case leads to it, and that each guarantee has such a link.
func TestReadmeLinks(t *testing.T) {
	guarantees := 0
	err := filepath.WalkDir("..", func(page string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(page) != ".md" {
			return err
		}
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		text = regexp.MustCompile("`[^`\n]*`").ReplaceAll(text, []byte("code"))
		for _, l := range regexp.MustCompile(`\[([^]]*)\]\(([\w./-]+)[^)]*\)`).FindAllStringSubmatch(string(text), -1) {
			if strings.HasPrefix(l[2], "http") {
				continue
			}
			name := filepath.Join(filepath.Dir(page), l[2])
			if _, err := os.Stat(name); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, l[2])
			}
			if !strings.HasSuffix(name, ".go") {
				continue
			}
			want := "func " + l[1] + "("
			if !strings.HasPrefix(l[1], "Test") {
				want = `"` + l[1] + `", "`
			}
			if file, err := os.ReadFile(name); err != nil || !strings.Contains(string(file), want) {
				t.Errorf("%s links to %s in %s, which has no such test (%v)", page, l[1], l[2], err)
			}
		}
		_, table, _ := strings.Cut(string(text), "| guarantee | proof |\n|---|---|\n")
		table, _, _ = strings.Cut(table, "\n\n")
		for row := range strings.Lines(table) {
			if guarantees++; !strings.Contains(row, ".go)") {
				t.Errorf("%s: this guarantee links to no test: %s", page, row)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if guarantees == 0 {
		t.Error("no page has a table of guarantees")
	}
}

// TestReadmeIsShort counts the README's words outside code.
func TestReadmeIsShort(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile("(?ms)^```.*?^```$|^    [^\n]*$").ReplaceAllString(string(readme), "")
	if n := len(strings.Fields(text)); n >= 1200 {
		t.Errorf("README.md has %d words outside code, want fewer than 1,200: long tables have pages of their own", n)
	}
}
