// Mutants breaks the code on purpose, one place at a time, and checks that a
// test fails each time.
//
//	go run ./.ci/mutants [-list | NAME ...]
//
// It works on a copy of the tree, whose tests must pass before anything is
// broken: else they would notice whatever is done. The list is mutants.json
// beside this file.
package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

//go:embed mutants.json
var list []byte

// mutant is one way to break the code: in File, New in place of Old. Test is the
// package whose tests must notice; if First names some of them, which are fast, they
// run first, and the rest only if they do not notice.
type mutant struct{ Name, File, Old, New, Test, First string }

var failed = regexp.MustCompile(`--- FAIL: (\S+)`)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(only []string) error {
	var mutants []mutant
	if err := json.Unmarshal(list, &mutants); err != nil {
		return err
	}
	if slices.Equal(only, []string{"-list"}) {
		slices.SortStableFunc(mutants, func(a, b mutant) int { return strings.Compare(a.File, b.File) })
		for _, m := range mutants {
			fmt.Printf("%-40s %s\n", m.File, m.Name)
		}
		return nil
	}
	dir, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	files, err := exec.Command("git", "ls-files", "-z").Output()
	if err != nil {
		return err
	}
	for _, name := range strings.Split(strings.Trim(string(files), "\x00"), "\x00") {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(to, data, info.Mode().Perm()); err != nil {
			return err
		}
	}
	if len(only) > 0 {
		mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return !slices.Contains(only, m.Name) })
	}
	if len(mutants) == 0 {
		return fmt.Errorf("no mutant is called %q", only)
	}
	if err := unbroken(dir, mutants); err != nil {
		return err
	}
	survivors := 0
	for _, m := range mutants {
		by, err := kill(dir, m)
		switch {
		case err != nil:
			survivors++
			by = "NOT TRIED: " + err.Error()
		case by == "":
			survivors++
			by = "SURVIVED"
		}
		fmt.Printf("%-44s %-28s %s\n", m.Name, m.File, by)
	}
	if survivors > 0 {
		return fmt.Errorf("%d survived, or could not be tried", survivors)
	}
	return nil
}

// unbroken runs the tests of the mutants as the tree is.
func unbroken(dir string, mutants []mutant) error {
	var packages []string
	for _, m := range mutants {
		packages = append(packages, m.Test)
	}
	slices.Sort(packages)
	for _, p := range slices.Compact(packages) {
		if out, err := test(dir, p, ""); err != nil {
			return fmt.Errorf("the tests of %s fail before anything is broken:\n%s", p, out)
		}
	}
	return nil
}

// test runs the tests of a package, those that match run, or all.
func test(dir, pkg, run string) ([]byte, error) {
	cmd := exec.Command("go", "test", "-count=1", "-failfast", "-timeout", "120s", "-run", run, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	return cmd.CombinedOutput()
}

// kill applies the mutant, returns the test that noticed, and undoes it.
func kill(dir string, m mutant) (string, error) {
	path := filepath.Join(dir, m.File)
	whole, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if strings.Count(string(whole), m.Old) != 1 {
		return "", fmt.Errorf("%d places in %s read %q, want 1", strings.Count(string(whole), m.Old), m.File, m.Old)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(whole), m.Old, m.New, 1)), 0o644); err != nil {
		return "", err
	}
	defer os.WriteFile(path, whole, 0o644)
	out, err := test(dir, m.Test, m.First)
	if err == nil && m.First != "" {
		out, err = test(dir, m.Test, "")
	}
	switch {
	case err == nil:
		return "", nil
	case strings.Contains(string(out), "[build failed]") || strings.Contains(string(out), "[setup failed]"):
		return "", fmt.Errorf("it does not compile:\n%s", out)
	}
	if by := failed.FindSubmatch(out); by != nil {
		return string(by[1]), nil
	}
	return "a timeout, a panic or a leak", nil
}
