package file_test

import (
	"errors"
	"fmt"
	"net/url"
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

// A source string and the source's own String name the same path, with drive letters too.
//
// F154
func TestPathsOfWindows(t *testing.T) {
	for text, want := range map[string]string{
		"file:///C:/keys/api-key": `C:\keys\api-key`, "file://localhost/C:/keys/api%20key": `C:\keys\api key`, "file:///c:/": `c:\`, "file:///D:/a%23b": `D:\a#b`,
		"file:////server/share/key": `\\server\share\key`, "file:///keys/C:/x": `\keys\C:\x`,
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		path := file.FromURL(u.Path, true)
		if path != want {
			t.Errorf("%s: %s, want %s", text, path, want)
		}
		again, err := url.Parse((&url.URL{Scheme: "file", Path: file.InURL(path, true)}).String())
		if err != nil || file.FromURL(again.Path, true) != path {
			t.Errorf("%s: %s is %s again, %v", text, path, again, err)
		}
	}
	if got := file.FromURL("/C:/key", false); got != "/C:/key" {
		t.Errorf("elsewhere: %s", got)
	}
}

// F154
func TestStringOpensTheSource(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"key", "a key", "a%20key", "a#b?c", "ä", `back\slash`, "C:", "a;b&c=d", "new\nline"} {
		for _, src := range []*file.Source{file.New(filepath.Join(dir, name)), file.Dir(filepath.Join(dir, name))} {
			again, _, err := source.Parse(src.String())
			if err != nil || fmt.Sprint(again) != src.String() {
				t.Errorf("%s: %v, %v", src, again, err)
			}
		}
	}
}
