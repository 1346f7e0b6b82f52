package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
)

func TestParse(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil { // strict=true refuses one that the group can write
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"plain": "sentinel-1", "doc": `{"keys":[{"version":"v1","secret":"sentinel-1"}]}`,
		"pem":     "-----BEGIN X-----\nc2VjcmV0\n-----END X-----\n",
		"env":     "BOT_API_KEY=sentinel-1",
		"api-key": "id", "api-secret": "sentinel-1", "user": "id", "a key": "sentinel-1",
	} {
		write(t, filepath.Join(dir, name), text)
	}
	for text, secret := range map[string]string{
		"file://" + dir + "/plain":                        "sentinel-1",
		"file://localhost" + dir + "/plain?format=plain":  "sentinel-1",
		"file://" + dir + "/a%20key?overlap=1h&poll=10s":  "sentinel-1",
		"file://" + dir + "/doc?format=json":              "sentinel-1",
		"file://" + dir + "/pem?format=pem":               "-----BEGIN X-----\nc2VjcmV0\n-----END X-----",
		"file://" + dir + "/env?format=dotenv&prefix=BOT": "sentinel-1",
		"file://" + dir:                                      "sentinel-1",
		"file://" + dir + "/":                                "sentinel-1",
		"file://" + dir + "?id=user&passphrase=":             "sentinel-1",
		"file://" + dir + "/plain?strict=true":               "sentinel-1",
		"file://" + dir + "/?strict=false&secret=api-secret": "sentinel-1",
	} {
		src, _, err := source.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		wantSecret(t, src, secret)
	}
	for _, text := range []string{
		"file:relative", "file://host/path", "file:///k?format=yaml", "file:///k?strict=sentinel", "file:///k?format=json&format=pem",
		"file:///k?prefix=X", "file:///d/?format=json", "file:///d?secret=../x", "file:///d?id=a/b", "file:///k?nobody=sentinel",
	} {
		_, _, err := source.Parse(text)
		if !errors.Is(err, source.ErrInvalid) || strings.Contains(err.Error(), "sentinel") { // F103
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestString(t *testing.T) {
	for want, src := range map[string]*file.Source{
		"file:///run/a%20key": file.New("/run/x/../a key"),
		"file:///run/keys/":   file.Dir("/run/keys"),
	} {
		if got := src.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
