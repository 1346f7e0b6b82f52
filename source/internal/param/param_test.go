package param_test

import (
	"errors"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/param"
)

func query(t *testing.T, text string) url.Values {
	t.Helper()
	q, err := url.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestDecoder(t *testing.T) {
	for _, c := range []struct {
		query, data string
		ok          bool
	}{
		{"", "token", true},
		{"format=plain", "token", true},
		{"format=json", `{"keys":[{"version":"v1","secret":"s"}]}`, true},
		{"format=dotenv&prefix=BOT", "BOT_API_KEY=id", true},
		{"format=xml", "", false},
		{"format=plain&format=json", "", false},
		{"prefix=BOT", "", false},
	} {
		q := query(t, c.query+"&kept=1")
		decode, err := param.Decoder(q)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.query, err)
			continue
		}
		if !c.ok {
			continue
		}
		if len(q) != 1 {
			t.Errorf("%s: left over: %v", c.query, q)
		}
		if _, err := decode([]byte(c.data)); err != nil {
			t.Errorf("%s: %v", c.query, err)
		}
	}
}

// F95, F103: the source string says where the password is, and never contains it. The
// password is read again each time.
func TestLogin(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	user, password, err := param.Login(query(t, "username=bot&password_file="+url.QueryEscape(file)))
	if err != nil || user != "bot" {
		t.Fatal(user, err)
	}
	if _, err := password(); !errors.Is(err, source.ErrUnavailable) {
		t.Errorf("no file: %v", err)
	}
	for _, want := range []string{"one", "two"} {
		if err := os.WriteFile(file, []byte(want+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := password(); err != nil || got.Expose() != want {
			t.Errorf("%q, %v: want %q", got.Expose(), err, want)
		}
	}
	t.Setenv("PARAM_PASSWORD", "rksentinel_\x01")
	_, password, err = param.Login(query(t, "password_env=PARAM_PASSWORD"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := password(); !errors.Is(err, source.ErrInvalid) || strings.Contains(err.Error(), "rksentinel_") {
		t.Errorf("control bytes: %v", err)
	}
	if _, _, err := param.Login(query(t, "password_env=A&password_file=b")); err == nil {
		t.Error("two places for one password")
	}
	if _, _, err := param.Login(query(t, "username=bot")); err == nil {
		t.Error("a user without a password")
	}
}

func TestTLS(t *testing.T) {
	if config, err := param.TLS(query(t, ""), false); config != nil || err != nil {
		t.Error(config, err)
	}
	if config, err := param.TLS(query(t, ""), true); config == nil || err != nil {
		t.Error(config, err)
	}
	for text, want := range map[string]bool{"tls=true": true, "tls=false": false} {
		if config, err := param.TLS(query(t, text), false); (config != nil) != want || err != nil {
			t.Error(text, config, err)
		}
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{"ca_file=" + file, "ca_file=" + file + "x", "cert_file=" + file, "key_file=" + file, "tls=perhaps", "tls=true&tls=true"} {
		if _, err := param.TLS(query(t, q), false); err == nil {
			t.Errorf("%s: no error", q)
		}
	}
}

// Names has the parameters of each source in this repository.
//
// F152
func TestNames(t *testing.T) {
	files, err := filepath.Glob("../../*/open.go")
	if err != nil || len(files) < 10 {
		t.Fatal(len(files), err)
	}
	call, quoted := regexp.MustCompile(`source\.Register\("[a-z]+", open(.*)\)`), regexp.MustCompile(`"(\w+)"`)
	found := make(map[string]bool)
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, args := range call.FindAllStringSubmatch(string(text), -1) {
			for _, name := range quoted.FindAllStringSubmatch(args[1], -1) {
				found[name[1]] = true
			}
		}
	}
	if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, param.Names) {
		t.Errorf("the sources have %q", got)
	}
}
