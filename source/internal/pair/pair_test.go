package pair_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/pair"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) } // F104

const sentinel = "rksentinel_"

func TestFields(t *testing.T) {
	decode := pair.Names{ID: "user", Secret: "pass", Passphrase: "word"}.JSON
	set, err := decode([]byte(` {"user":"id-1","pass":"sentinel-s-1","word":"sentinel-w-1","port":5432,"nested":{"user":"x"}} `))
	if err != nil {
		t.Fatal(err)
	}
	if k := set.Keys[0]; k.ID != "id-1" || k.Secret.Expose() != "sentinel-s-1" || k.Extra["passphrase"].Expose() != "sentinel-w-1" || set.Complete {
		t.Errorf("%+v", set)
	}
	if set, err = (pair.Names{}).JSON([]byte(`{"secret":"s","id":"i"}`)); err != nil || set.Keys[0].ID != "" || set.Keys[0].Extra != nil {
		t.Errorf("%+v, error %v", set, err)
	}
	for _, text := range []string{
		"", "[]", `"x"`, "null", `{"user":"a","user":"b","pass":"sentinel-s"}`, `{"user":"a"}`, `{"pass":"sentinel-s"}`, `{"user":"","pass":"sentinel-s"}`,
		`{"user":"a","pass":"` + sentinel + `"`, `{"user":"a","pass":"sentinel-s"} {}`, `{"user":5,"pass":"sentinel-s"}`, `{"user":"a","pass":"s",}`,
		`{"user":"a","pass":"` + sentinel + `\nx"}`, `{"user":"a","pass":["s"]}`, strings.Repeat(" ", source.MaxSize) + `{"user":"a","pass":"sentinel-s"}`,
	} {
		if _, err := decode([]byte(text)); !errors.Is(err, source.ErrInvalid) || strings.Contains(err.Error(), sentinel) { // F95
			t.Errorf("%.40s: %v", text, err)
		}
	}
}

// The file cdp_api_key.json of Coinbase has the key's name and a private key.
//
// F144
func TestCoinbaseFile(t *testing.T) {
	const block = "-----BEGIN EC PRIVATE KEY-----\nc2VudGluZWw=\n-----END EC PRIVATE KEY-----"
	query, _ := url.ParseQuery("id=name&secret=privateKey")
	decode, err := pair.Decoder(query)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		`{ "name": "organizations/o/apiKeys/k", "privateKey": "` + strings.ReplaceAll(block, "\n", `\n`) + `\n" }`,
		`{ "name": "organizations/o/apiKeys/k", "privateKey": "` + strings.ReplaceAll(block, "\n", `\\n`) + `" }`, // escaped twice
	} {
		set, err := decode([]byte(text))
		if err != nil || set.Keys[0].ID != "organizations/o/apiKeys/k" || set.Keys[0].Secret.Expose() != block {
			t.Errorf("%s: %+v, %v", text, set, err)
		}
	}
}

// F21: the limit also holds for fields that are not in a JSON object.
func TestKey(t *testing.T) {
	names := pair.Names{ID: "id", Passphrase: "word"}
	good := map[string][]byte{"id": []byte("i\n"), "secret": []byte(sentinel)}
	if set, err := names.Key(good); err != nil || set.Keys[0].ID != "i" || set.Keys[0].Secret.Expose() != sentinel || set.Keys[0].Extra != nil {
		t.Errorf("%+v, error %v", set, err)
	}
	for name, text := range map[string]string{"id": "", "secret": sentinel + strings.Repeat("s", source.MaxSize), "word": sentinel + "\x01"} {
		fields := map[string][]byte{"id": []byte("i"), "secret": []byte(sentinel), name: []byte(text)}
		if _, err := names.Key(fields); !errors.Is(err, source.ErrInvalid) || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), sentinel) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// F112
func FuzzFields(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"user":"a","pass":"sentinel-s"}`, `{"user":"a","user":"b"}`, `{"pass":"-----BEGIN X-----"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := pair.Names{ID: "user", Secret: "pass", Passphrase: "word"}.JSON(data)
		if err == nil && (len(set.Keys) != 1 || set.Keys[0].Secret.IsZero() || set.Keys[0].ID == "") {
			t.Errorf("%q: %+v", data, set)
		}
		if err != nil && !errors.Is(err, source.ErrInvalid) {
			t.Errorf("%q: %v", data, err)
		}
	})
}
