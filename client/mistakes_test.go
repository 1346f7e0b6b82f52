package client_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// The errors about usual mistakes say what is wrong in the user's words and what to do.
// They do not show the key. A client gets them from a decoder, from a source string or
// from a request.
//
// F134, F139
func TestUsualMistakes(t *testing.T) {
	decode := func(d source.Decoder, data string) func() error {
		return func() error {
			_, err := d([]byte(data))
			return err
		}
	}
	parse := func(s string) func() error {
		return func() error {
			_, _, err := source.Parse(s)
			return err
		}
	}
	send := func(url string, opts ...transport.Option) func() error {
		return func() error {
			c := newClient(t, source.Static(source.Key{Secret: source.NewSecret("sentinel-key")}),
				client.WithOrigin("https://api.example.com"), client.WithTransport(opts...))
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			_, err = c.Transport().RoundTrip(req) // http.Client refuses a relative URL itself
			return err
		}
	}
	create := func(opts ...client.Option) func() error {
		return func() error {
			_, err := client.New(t.Context(), source.Static(source.Key{Secret: source.NewSecret("sentinel-\r\nkey")}),
				append(opts, client.WithRing(ring.WithLogger(nil), ring.WithFailFast()))...)
			return err
		}
	}
	wide := ""
	for _, u := range utf16.Encode([]rune("sentinel")) {
		wide += string([]byte{byte(u), byte(u >> 8)})
	}
	const document = `a key document looks like {"keys":[{"version":"v1"`
	for name, c := range map[string]struct {
		err  func() error
		want []string
	}{
		"a space":              {decode(source.Plain, "sentinel key"), []string{"a space", "one word"}},
		"a scheme's name":      {decode(source.Plain, "Bearer sentinel"), []string{"authentication scheme", "keep only the key"}},
		"a PEM block":          {decode(source.Plain, "-----BEGIN PRIVATE KEY-----\nc2VudGluZWw=\n-----END PRIVATE KEY-----\n"), []string{"PEM block", "source.PEM", "format=pem"}},
		"dotenv":               {decode(source.Plain, "# keys\nAPI_KEY=sentinel\nAPI_SECRET=sentinel\n"), []string{"NAME=VALUE", "source.Dotenv", "format=dotenv"}},
		"UTF-16 with a mark":   {decode(source.Plain, "\xff\xfe"+wide), []string{"UTF-16", "save it as UTF-8"}},
		"UTF-16":               {decode(source.Plain, wide), []string{"UTF-16", "save it as UTF-8"}},
		"a typographic quote":  {decode(source.Plain, "“sentinel”"), []string{"with its quotes", "remove the quotes"}},
		"an image":             {decode(source.Plain, "\x89PNG\x0d\x0a\x1a\x0asentinel"), []string{"not text"}},
		"two lines":            {decode(source.Plain, "sentinel-1\nsentinel-2"), []string{"several lines", "one word"}},
		"a key document":       {decode(source.Plain, `{"keys":[{"version":"v1","secret":"sentinel"}]}`), []string{"JSON", "source.Document", "format=json"}},
		"nothing":              {decode(source.Plain, "\n"), []string{"empty"}},
		"a token for a PEM":    {decode(source.PEM, "sentinel"), []string{"not a PEM block", "-----BEGIN"}},
		"a token for JSON":     {decode(source.Document, "sentinel"), []string{"not valid in line 1", document}},
		"another document":     {decode(source.Document, `{"api_key":"sentinel"}`), []string{`no field "keys"`, document}},
		"a misspelt field":     {decode(source.Document, `{"keys":[{"version":"v1","secret":"sentinel","expires":"sentinel"}]}`), []string{"key 1: a field is misspelt", "expires_at"}},
		"a trailing comma":     {decode(source.Document, "{\"keys\":[\n{\"version\":\"v1\",\"secret\":\"sentinel\",}]}"), []string{"line 2", document}},
		"cut short":            {decode(source.Document, `{"keys":[{"version":"v1","secret":"sentinel`), []string{"cut short", document}},
		"a date":               {decode(source.Document, `{"keys":[{"version":"v1","secret":"sentinel","expires_at":"2026-12-31"}]}`), []string{"key 1: its expires_at", "RFC 3339", "2026-11-23T12:00:00Z"}},
		"a number for a text":  {decode(source.Document, `{"keys":[{"version":2,"secret":"sentinel"}]}`), []string{"key 1: its version is not a text", document}},
		"no secret":            {decode(source.Document, `{"keys":[{"version":"v1"}]}`), []string{"key 1: its secret is missing", document}},
		"dotenv, other names":  {decode(source.Dotenv("APP"), "KEY=sentinel"), []string{"APP_API_KEY is not set"}},
		"no scheme":            {parse("/run/secrets/sentinel"), []string{"file:///run/secrets/api-key"}},
		"a store's module":     {parse("aws://eu-central-1/prod"), []string{`import _ "github.com/rollingkeys/rollingkeys/source/aws"`}},
		"another store":        {parse("doppler://project"), []string{"its scheme is unknown: the program has env, file, http, https; for another source import its package", "env, file, http, https"}},
		"an unknown parameter": {parse("file:///run/key?fromat=sentinel"), []string{"unknown", "parameters of file are format", "strict", "overlap, poll, max_stale"}},
		"a bad duration":       {parse("file:///run/key?overlap=24"), []string{"overlap must be one duration", "unit", "90s"}},
		"a relative URL":       {send("/v1/things"), []string{"relative", "https://api.example.com/v1/things"}},
		"another host":         {send("https://other.example/v1"), []string{"https://other.example", "bound to https://api.example.com", "WithOrigin"}},
		"plain http":           {send("http://api.example.com/"), []string{"plain http", "use https", "WithInsecureHTTP"}},
		"no origin":            {create(), []string{`WithOrigin("https://api.example.com")`, "WithOriginOfFirstRequest"}},
		"no prefix":            {func() error { _, err := client.FromEnv(t.Context(), ""); return err }, []string{"the prefix is empty", "EXCHANGE_ORIGIN"}},
		"an unusable key":      {create(client.WithOrigin("https://api.example.com")), []string{"header", "visible ASCII"}},
	} {
		err := c.err()
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		text := err.Error()
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q does not have %q", name, text, want)
			}
		}
		if strings.Contains(text, "sentinel") || strings.Contains(text, "byte ") {
			t.Errorf("%s: %q shows data, or counts bytes", name, text)
		}
		if !errors.Is(err, source.ErrInvalid) && !errors.Is(err, source.ErrUnusable) && !errors.Is(err, transport.ErrOrigin) && !errors.Is(err, transport.ErrInsecure) {
			t.Errorf("%s: untyped error %v", name, err)
		}
	}
}
