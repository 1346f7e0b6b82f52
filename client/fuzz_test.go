package client_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	_ "github.com/rollingkeys/rollingkeys/client" // registers the sources file, env and https
	"github.com/rollingkeys/rollingkeys/source"
)

// The places in a URL that may hold credentials: the user info and the query values.
var (
	user  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*:SECRET@`)
	value = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://[^?#]*\?[^#]*=SECRET`)
)

// F103, F112: no source string of the registered sources causes a panic. Neither
// the opened source nor the error shows a credential of the string.
func FuzzSourceStrings(f *testing.F) {
	const secret = "rksentinel_fuzz"
	for _, s := range []string{
		"file:///run/secrets/key?format=json&overlap=1h", "file:///run/dir/?id=a&secret=b&passphrase=", "file://user:SECRET@host/x",
		"env://EXCHANGE?pair=true", "env://X?SECRET=1", "https://h/keys?token=SECRET&poll=1m", "https://u:SECRET@h/", "https://h/?remote_auth=https%3A%2F%2Fu%3ASECRET%40h%2F",
		"https://h/?remote_auth=env://A&remote_header=X%0d%0aSECRET", "http://127.0.0.1:1/?remote_wait=SECRET", "//SECRET", "file:///x?overlap=SECRET",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		credential := strings.Count(s, "SECRET") == 1 && (user.MatchString(s) || value.MatchString(s))
		src, _, err := source.Parse(strings.ReplaceAll(s, "SECRET", secret))
		var shown string
		switch {
		case err == nil:
			shown = fmt.Sprintf("%v %+v %#v", src, src, src)
		case errors.Is(err, source.ErrInvalid):
			shown = err.Error()
		default:
			t.Errorf("%q: untyped error %v", s, err)
		}
		if credential && strings.Contains(shown, secret) {
			t.Errorf("%q: shows a credential: %s", s, shown)
		}
	})
}
