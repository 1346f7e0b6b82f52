package conformance_test

import (
	"os"
	"os/exec"
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

// TestReadmeLinks checks that each guarantee in the README links to an existing test,
// or to an existing case of the transport suite.
func TestReadmeLinks(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`\[(\w+)\]\(([\w./-]+\.go)\)`).FindAllStringSubmatch(string(readme), -1)
	_, table, _ := strings.Cut(string(readme), "| guarantee | proof |\n|---|---|\n")
	table, _, ok := strings.Cut(table, "\n\n")
	if !ok {
		t.Fatal("README.md has no table of guarantees")
	}
	for row := range strings.Lines(table) {
		if !strings.Contains(row, "](") {
			t.Errorf("README.md: this guarantee links to no test: %s", row)
		}
	}
	for _, l := range links {
		file, err := os.ReadFile("../" + l[2])
		want := "func " + l[1] + "("
		if !strings.HasPrefix(l[1], "Test") {
			want = `"` + l[1] + `", "`
		}
		if err != nil || !strings.Contains(string(file), want) {
			t.Errorf("README.md links to %s in %s, which has no such test (%v)", l[1], l[2], err)
		}
	}
}
