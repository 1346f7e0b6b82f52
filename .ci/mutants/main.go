// Mutants breaks the code in one place at a time and checks that a test fails
// each time.
//
//	go run ./.ci/mutants [-list | NAME ...]
//
// It works on a copy of the tree. The tests must pass before anything is broken,
// or they would seem to notice every mutant. The mutants are in mutants.json beside
// this file. -list prints them; names select some.
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

// A mutant is one way to break the code: New replaces Old in File, where Old must
// occur once. Test is the package whose tests must notice. First, if set, is a pattern
// of fast tests: they run first, and the others only if the fast ones pass.
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
		return fmt.Errorf("no mutant is named %q", only)
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
		fmt.Printf("%-58s %-28s %s\n", m.Name, m.File, by)
	}
	if survivors > 0 {
		return fmt.Errorf("%d mutants survived or could not be tried", survivors)
	}
	return nil
}

// unbroken checks that the tests of the mutants pass while nothing is broken.
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

// test runs the tests of a package that match run, or all if run is empty.
func test(dir, pkg, run string) ([]byte, error) {
	cmd := exec.Command("go", "test", "-count=1", "-failfast", "-timeout", "120s", "-run", run, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	return cmd.CombinedOutput()
}

// kill applies the mutant, runs its tests and undoes it. It returns the test that
// failed, or "" if none did.
func kill(dir string, m mutant) (string, error) {
	path := filepath.Join(dir, m.File)
	whole, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if strings.Count(string(whole), m.Old) != 1 {
		return "", fmt.Errorf("%d places in %s match %q, want 1", strings.Count(string(whole), m.Old), m.File, m.Old)
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
		return "", fmt.Errorf("the mutant does not compile:\n%s", out)
	}
	if by := failed.FindSubmatch(out); by != nil {
		return string(by[1]), nil
	}
	return "a timeout, a panic or a leak", nil
}
