// Mutants breaks the code in one place at a time and checks that a test fails
// each time.
//
//	go run ./.ci/mutants [-runs N] [-workers N] [-list] [NAME ...]
//
// It works on a copy of the tree. The tests must pass before anything is broken, or
// they would seem to notice every mutant. The mutants are in mutants.json beside this
// file. -list prints them; names select some. The tests of a mutant are built once and
// run N times: each run must notice it. A run begins with the test that failed in the
// run before, and runs the others only if that one passes.
package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
)

//go:embed mutants.json
var list []byte

// A mutant is one way to break the code: New replaces Old in File, where Old must
// occur once. Test is the package whose tests must notice. First, if set, is a pattern
// of fast tests: they run first, and the others only if the fast ones pass.
type mutant struct{ Name, File, Old, New, Test, First string }

var failed = regexp.MustCompile(`--- FAIL: ([^\s/]+)`)

func main() {
	runs := flag.Int("runs", 1, "how many times the tests of each mutant run")
	workers := flag.Int("workers", runtime.NumCPU(), "how many mutants are tried at a time")
	show := flag.Bool("list", false, "print the mutants")
	flag.Parse()
	if err := run(*show, *runs, *workers, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(show bool, runs, workers int, only []string) error {
	var mutants []mutant
	if err := json.Unmarshal(list, &mutants); err != nil {
		return err
	}
	if show {
		slices.SortStableFunc(mutants, func(a, b mutant) int { return strings.Compare(a.File, b.File) })
		for _, m := range mutants {
			fmt.Printf("%-40s %s\n", m.File, m.Name)
		}
		return nil
	}
	if len(only) > 0 {
		mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return !slices.Contains(only, m.Name) })
	}
	if len(mutants) == 0 {
		return fmt.Errorf("no mutant is named %q", only)
	}
	if runs < 1 || workers < 1 {
		return fmt.Errorf("-runs and -workers must be at least 1")
	}
	dir, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	tree := filepath.Join(dir, "tree")
	if err := copyTree(tree); err != nil {
		return err
	}
	var packages []string
	for _, m := range mutants {
		packages = append(packages, m.Test)
	}
	slices.Sort(packages)
	packages = slices.Compact(packages)
	broken := make([]error, len(packages))
	each(len(packages), workers, func(i int) {
		broken[i] = unbroken(tree, filepath.Join(dir, fmt.Sprintf("unbroken%d.test", i)), packages[i])
	})
	if err := errors.Join(broken...); err != nil {
		return err
	}
	results := make([]error, len(mutants))
	each(len(mutants), workers, func(i int) {
		by, err := try(tree, filepath.Join(dir, fmt.Sprint(i)), mutants[i], runs)
		if results[i] = err; err != nil {
			by = err.Error()
		}
		fmt.Printf("%-58s %-28s %s\n", mutants[i].Name, mutants[i].File, by)
	})
	survivors := 0
	for i, err := range results {
		if err != nil {
			survivors++
			fmt.Printf("%s: %v\n", mutants[i].Name, err)
		}
	}
	if survivors > 0 {
		return fmt.Errorf("%d of %d mutants survived or could not be tried", survivors, len(mutants))
	}
	fmt.Printf("%d mutants: each run of %d noticed each\n", len(mutants), runs)
	return nil
}

// each calls f with 0 to n-1, and with as many at a time as there are workers.
func each(n, workers int, f func(i int)) {
	var all sync.WaitGroup
	busy := make(chan struct{}, workers)
	for i := range n {
		busy <- struct{}{}
		all.Go(func() {
			defer func() { <-busy }()
			f(i)
		})
	}
	all.Wait()
}

// unbroken checks that the tests of a package pass while nothing is broken.
func unbroken(tree, tests, pkg string) error {
	if err := build(tree, pkg, tests); err != nil {
		return err
	}
	defer os.Remove(tests)
	if out, err := test(tree, pkg, tests, ""); err != nil {
		return fmt.Errorf("the tests of %s fail before anything is broken: %w\n%s", pkg, err, out)
	}
	return nil
}

// copyTree copies the files that git knows, as they are in the working tree, to dir.
func copyTree(dir string) error {
	files, err := exec.Command("git", "ls-files", "-z").Output()
	if err != nil {
		return err
	}
	for _, name := range strings.Split(strings.Trim(string(files), "\x00"), "\x00") {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, data, info.Mode().Perm()); err != nil {
			return err
		}
	}
	return nil
}

// try builds the tests of a mutant in dir and runs them. It returns the test that
// failed, or an error if a run noticed nothing.
func try(tree, dir string, m mutant, runs int) (string, error) {
	path := filepath.Join(tree, m.File)
	whole, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(whole), m.Old); n != 1 {
		return "", fmt.Errorf("NOT TRIED: %d places in %s match %q, want 1", n, m.File, m.Old)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	// The file in the tree stays whole: other mutants are being built.
	broken, overlay, tests := filepath.Join(dir, "broken.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "test")
	if err := os.WriteFile(broken, []byte(strings.Replace(string(whole), m.Old, m.New, 1)), 0o644); err != nil {
		return "", err
	}
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {path: broken}})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(overlay, replace, 0o644); err != nil {
		return "", err
	}
	if err := build(tree, m.Test, tests, "-overlay", overlay); err != nil {
		return "", fmt.Errorf("NOT TRIED: %w", err)
	}
	by := ""
	for n, first := 1, m.First; n <= runs; n++ {
		var out []byte
		var err error
		if first != "" {
			out, err = test(tree, m.Test, tests, first)
		}
		if err == nil {
			out, err = test(tree, m.Test, tests, "")
		}
		if err == nil {
			return "", fmt.Errorf("SURVIVED run %d of %d", n, runs)
		}
		by = "a timeout, a panic or a leak"
		if name := failed.FindSubmatch(out); name != nil {
			by = string(name[1])
			first = "^" + by + "$"
		}
	}
	return by, nil
}

// build builds the tests of a package.
func build(tree, pkg, tests string, flags ...string) error {
	cmd := exec.Command("go", slices.Concat([]string{"test", "-c", "-ldflags=-w", "-o", tests}, flags, []string{pkg})...)
	cmd.Dir = tree
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("the tests of %s do not compile:\n%s", pkg, out)
	}
	return nil
}

// test runs the tests of a package that match run, or all if run is empty. Rapid keeps
// no failing input: the next run must find one by itself.
func test(tree, pkg, tests, run string) ([]byte, error) {
	cmd := exec.Command(tests, "-test.count=1", "-test.failfast", "-test.shuffle=on", "-test.timeout=120s", "-test.paniconexit0", "-test.run", run)
	cmd.Dir = filepath.Join(tree, pkg)
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "RAPID_NOFAILFILE=1", "RAPID_SHRINKTIME=0s")
	return cmd.CombinedOutput()
}
