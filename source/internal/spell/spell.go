// Package spell finds the name that a misspelt one was meant to be.
package spell

import "strings"

// Meant returns the first of known of which name is a misspelling: another case or other
// separators, without "_at" at the end, or one letter off, such as "expiresAt" and "expires" of
// "expires_at", and "overlapp" of "overlap". It returns "" if there is none, or if name is known.
// A name of up to three letters, such as "id", has too many neighbours: only its case can be
// wrong.
func Meant(name string, known []string) string {
	found := ""
	for _, k := range known {
		is, want := letters(name), letters(k)
		switch {
		case name == k:
			return ""
		case found != "":
		case strings.EqualFold(name, k), is == want, is+"_at" == k, len(want) > 3 && oneOff(is, want):
			found = k
		}
	}
	return found
}

func letters(name string) string {
	return strings.NewReplacer("_", "", "-", "", ".", "").Replace(strings.ToLower(name))
}

// oneOff reports whether a letter more, less or other, or two that changed places, make a of b.
func oneOff(a, b string) bool {
	for a != "" && b != "" && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for a != "" && b != "" && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return len(a) <= 1 && len(b) <= 1 || len(a) == 2 && len(b) == 2 && a[0] == b[1] && a[1] == b[0]
}
