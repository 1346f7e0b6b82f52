package query

import "testing"

// F113
func TestWithout(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"a=1":                      "a=1",
		"key=x":                    "",
		"key=x&a=1":                "a=1",
		"a=1&key=x":                "a=1",
		"a=1&key=x&b=2":            "a=1&b=2",
		"a=1&key=x&b=2&key=y":      "a=1&b=2",
		"key=x%zz&a=%zz":           "a=%zz",
		"key=x;a=1":                "a=1",
		"a=1;key=x&b=2":            "a=1&b=2",
		"a=1;b=2":                  "a=1;b=2",
		"%6bey=x&a=1":              "a=1",
		"key&a":                    "a",
		"keys=1&a=key=x&b=%20+%2B": "keys=1&a=key=x&b=%20+%2B",
		"&&a=1&key=x&":             "&&a=1&",
	} {
		if got := Without(in, "key", "other"); got != want {
			t.Errorf("Without(%q) = %q, want %q", in, got, want)
		}
	}
	for name, value := range Values("a=1;key=x%zz&&b=%20") {
		if want := map[string]string{"a": "1", "key": "x%zz", "b": " "}[name]; value != want {
			t.Errorf("%q is %q, want %q", name, value, want)
		}
	}
}
