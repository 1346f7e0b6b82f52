package conformance_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The core stays lean: what a program that uses package client compiles and what
// its go.mod pulls in does not grow. Heavier clients are modules of their own.
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

// The README's guarantees link to the tests and the cases of the transport suite that
// prove them, and those exist.
func TestReadmeLinks(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`\[(\w+)\]\(([\w./-]+\.go)\)`).FindAllStringSubmatch(string(readme), -1)
	_, table, _ := strings.Cut(string(readme), "| guarantee | proof |\n|---|---|\n")
	table, _, ok := strings.Cut(table, "\n\n")
	if !ok {
		t.Fatal("no table of guarantees")
	}
	for row := range strings.Lines(table) {
		if !strings.Contains(row, "](") {
			t.Errorf("no test is linked to: %s", row)
		}
	}
	for _, l := range links {
		file, err := os.ReadFile("../" + l[2])
		want := "func " + l[1] + "("
		if !strings.HasPrefix(l[1], "Test") {
			want = `"` + l[1] + `", "`
		}
		if err != nil || !strings.Contains(string(file), want) {
			t.Errorf("%s is not in %s (%v)", l[1], l[2], err)
		}
	}
}
