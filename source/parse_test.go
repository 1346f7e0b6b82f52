package source_test

import (
	"errors"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/source"
)

// F103: credentials in a source string are refused, and never shown.
func TestParseStrings(t *testing.T) {
	for _, s := range []string{
		"", "nothing", "/path", "ftp://host", "sentinel", "file://user:sentinel@host/x", "https://user:sentinel@host/x", "://sentinel",
		"known://x?overlap=sentinel", "known://x?overlap=-1s", "known://x?overlap=1s&overlap=2s", "known://x?sentinel=sentinel-b", "known://x?%zz", "known:sentinel",
		"known://x#sentinel", "known://x#", "fails://x?sentinel=sentinel-b",
	} {
		_, _, err := source.Parse(s)
		if _, typed := err.(*source.Error); !typed {
			t.Errorf("%q: %T", s, err)
		}
		if !errors.Is(err, source.ErrInvalid) || strings.Contains(strings.ReplaceAll(err.Error(), `"sentinel"`, ""), "sentinel-") || strings.Contains(err.Error(), ":sentinel") {
			t.Errorf("%q: %v", s, err)
		}
	}
	src, params, err := source.Parse("known://x?overlap=1h&poll=10s&max_stale=5m&mine=1")
	want := source.Params{"overlap": time.Hour, "poll": 10 * time.Second, "max_stale": 5 * time.Minute}
	if err != nil || src == nil || !maps.Equal(params, want) {
		t.Errorf("%v, %v, %v", src, params, err)
	}
	for in, want := range map[string]string{
		"https://user:pw@host/p?token=sentinel&b=1#frag": "https://host/p?...", "file:///run/key": "file:///run/key",
		"mailto:sentinel": "source string", "sentinel": "source string", "%zz:sentinel": "source string", "https://host:bad/sentinel": "https://...",
		"https://h/x?sentinel": "https://h/x?...", "https://user:12/3sentinel@host/x": "https://...", "postgres.sentinel.abc": "source string",
	} {
		if got := source.Redact(in); got != want {
			t.Errorf("Redact(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("file:///run/key?overlap=1h")
	f.Add("https://u:p@h/x?y=z")
	f.Fuzz(func(t *testing.T, s string) {
		switch src, _, err := source.Parse(s); {
		case err == nil && (src == nil || strings.Contains(s, "#")):
			t.Errorf("%q opened", s)
		case err != nil && !errors.Is(err, source.ErrInvalid):
			t.Errorf("%q: untyped error %v", s, err)
		}
		source.Redact(s)
	})
}

func TestMain(m *testing.M) {
	source.Register("known", open)
	source.Register("fails", func(*url.URL, url.Values) (source.Source, error) { return nil, errors.New("no such thing") })
	goleak.VerifyTestMain(m)
}

// open accepts the parameter "mine".
func open(_ *url.URL, query url.Values) (source.Source, error) {
	query.Del("mine")
	return source.Static(source.Key{Secret: source.NewSecret("sentinel-v1")}), nil
}
