package pair_test

import (
	"net/url"
	"testing"

	"github.com/rollingkeys/rollingkeys/source/internal/pair"
)

func TestDecoder(t *testing.T) {
	for text, data := range map[string]string{
		"":                              "token",
		"format=plain&other=1":          "token",
		"format=json":                   `{"keys":[{"version":"a","secret":"token"}]}`,
		"id=u&secret=p&passphrase=w":    `{"u":"id","p":"token","w":"word"}`,
		"secret=p":                      `{"p":"token"}`,
		"id=u":                          `{"u":"id","secret":"token"}`,
		"format=dotenv&prefix=EXCHANGE": "EXCHANGE_API_KEY=token",
	} {
		query, _ := url.ParseQuery(text)
		decode, err := pair.Decoder(query)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		set, err := decode([]byte(data))
		if err != nil || set.Keys[0].Secret.Expose() != "token" {
			t.Errorf("%s: error %v", text, err)
		}
		if query.Del("other"); len(query) > 0 {
			t.Errorf("%s leaves %v", text, query)
		}
	}
	for _, text := range []string{"format=yaml", "format=json&id=a", "id=a&id=b", "format=json&format=json", "prefix=x", "passphrase=a&passphrase=b"} {
		query, _ := url.ParseQuery(text)
		if _, err := pair.Decoder(query); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}
