package source_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

const sentinel = "sentinel-5f3a-secret"

// hidden has secrets in unexported fields, which fmt prints without calling their methods.
type hidden struct {
	secret source.Secret
	key    source.Key
	nested struct{ list []source.Secret }
	m      map[string]source.Secret
	ptr    *source.Secret
	any    any
}

// everywhere has a value of each exported type that can contain a secret.
func everywhere() []any {
	s := source.NewSecret(sentinel)
	k := source.Key{Version: "v1", ID: "id", Secret: s, Extra: map[string]source.Secret{"passphrase": s}}
	h := hidden{secret: s, key: k, m: map[string]source.Secret{"a": s}, ptr: &s, any: s}
	h.nested.list = []source.Secret{s}
	return []any{
		s, &s, k, &k, source.Set{Keys: []source.Key{k}}, h, &h, []any{s, k}, map[string]any{"k": k},
		source.Static(k), source.First(source.Static(k)), struct{ S fmt.Stringer }{s}, [1]source.Key{k},
	}
}

// F93: no verb prints a secret, wherever it is in a value.
func TestNoVerbReachesASecret(t *testing.T) {
	for _, v := range everywhere() {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%p", "%t", "%c", "%U", "%e", "%10v", "%-5s"} {
			text := fmt.Sprintf(verb, v)
			hex := fmt.Sprintf("%x", sentinel)
			if strings.Contains(text, sentinel) || strings.Contains(strings.ToLower(text), hex) {
				t.Errorf("%s of %T shows it: %s", verb, v, text)
			}
		}
	}
}

// F94: encodings redact a secret or fail, and no decoder reads [redacted] as a key.
func TestEncodingsRedactOrRefuse(t *testing.T) {
	for _, v := range everywhere() {
		var out bytes.Buffer
		if text, err := json.Marshal(v); err == nil {
			out.Write(text)
		}
		if text, err := xml.Marshal(v); err == nil {
			out.Write(text)
		}
		_ = gob.NewEncoder(&out).Encode(v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v)
		if strings.Contains(out.String(), sentinel) {
			t.Errorf("%T: %s", v, out.String())
		}
	}
	s := source.NewSecret(sentinel)
	if text, err := json.Marshal(s); err != nil || string(text) != `"[redacted]"` {
		t.Errorf("json: %s, %v", text, err)
	}
	if err := json.Unmarshal([]byte(`"[redacted]"`), reflect.New(reflect.TypeOf(s)).Interface()); err == nil {
		t.Error("a Secret was read back")
	}
	if err := gob.NewEncoder(&bytes.Buffer{}).Encode(s); err == nil {
		t.Error("gob took it")
	}
}

func TestSecret(t *testing.T) {
	var zero source.Secret
	s := source.NewSecret("sentinel-a")
	if !zero.IsZero() || zero.Expose() != "" || zero.String() != "" || !source.NewSecret("").IsZero() {
		t.Error("the zero Secret is not empty")
	}
	if !s.Equal(source.NewSecret("sentinel-a")) || s.Equal(source.NewSecret("sentinel-b")) || s.Equal(zero) || !zero.Equal(zero) {
		t.Error("Equal is wrong")
	}
}

func TestPlain(t *testing.T) { // F18, F19, F20
	good := map[string]string{
		"token\n": "token", "token\r\n": "token", " \t token \n\n": "token", "\ufefftoken": "token", "\ufeff token": "token", "~!@#$%^&*()": "~!@#$%^&*()",
	}
	for in, want := range good {
		set, err := source.Plain([]byte(in))
		if err != nil || set.Keys[0].Secret.Expose() != want {
			t.Errorf("%q: %v", in, err)
		}
	}
	bad := []string{
		"", " \n", "\ufeff", sentinel + "\r\nX-Evil: 1", sentinel + "\n" + sentinel, sentinel + "\x00", sentinel + " " + sentinel, sentinel + "\u00e4",
		"-----BEGIN KEY-----\n" + sentinel + "\n-----END KEY-----", "<html>" + sentinel, `{"secret":"` + sentinel + `"}`, "[" + sentinel + "]",
		strings.Repeat("a", source.MaxSize+1),
	}
	for _, in := range bad {
		_, err := source.Plain([]byte(in))
		if !errors.Is(err, source.ErrInvalid) || strings.Contains(err.Error(), "sentinel") || strings.Contains(err.Error(), "Evil") {
			t.Errorf("%.20q: %v", in, err)
		}
	}
}

func TestPEM(t *testing.T) {
	const block = "-----BEGIN PRIVATE KEY-----\nc2VudGluZWw=\n-----END PRIVATE KEY-----"
	set, err := source.PEM([]byte("\ufeff" + block + "\n\n"))
	if err != nil || set.Keys[0].Secret.Expose() != block {
		t.Errorf("%v", err)
	}
	for _, in := range []string{"", "token", block + "\nmore", block + "\n" + block, "-----BEGIN X-----\n-----END X-----"} {
		if _, err := source.PEM([]byte(in)); !errors.Is(err, source.ErrInvalid) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestDocument(t *testing.T) {
	const text = `{"keys":[
		{"version":"v3","secret":"sentinel-c","status":"pending"},
		{"version":"v2","id":"k2","secret":"sentinel-b","extra":{"Pass":"sentinel-p"},"created_at":"2026-11-23T12:00:00Z","not_before":"2026-11-23T12:00:00Z",
		 "expires_at":"2026-11-24T12:00:00Z","scopes":["read"],"metadata":{"Team":"x"},"status":"active"},
		{"version":"v1","secret":"sentinel-a"},
		{"version":"v0","status":"revoked"}]}`
	set, err := source.Document([]byte(text))
	if err != nil || !set.Complete || len(set.Keys) != 2 || set.Keys[0].Version != "v2" || set.Keys[0].Extra["Pass"].Expose() != "sentinel-p" ||
		set.Keys[0].ExpiresAt.IsZero() || set.Keys[1].Secret.Expose() != "sentinel-a" || len(set.Revoked) != 1 || set.Revoked[0] != "v0" {
		t.Fatalf("%+v, %v", set, err)
	}
	again, err := source.EncodeDocument(set)
	if err != nil {
		t.Fatal(err)
	}
	back, err := source.Document(again)
	if err != nil || len(back.Keys) != 2 || !back.Keys[0].SameContent(set.Keys[0]) || !back.Keys[0].ExpiresAt.Equal(set.Keys[0].ExpiresAt) || back.Revoked[0] != "v0" {
		t.Errorf("round trip: %s, %v", again, err)
	}
}

// badDocuments are refused as a whole, and no error quotes them.
var badDocuments = map[string]string{ // F82, F83
	"empty":            "",
	"object":           "{}",
	"no keys":          `{"keys":[]}`,
	"null":             `null`,
	"array":            `[]`,
	"html":             "<!doctype html><title>Log in</title>",
	"cut short":        `{"keys":[{"version":"v1","secret":"sentinel`,
	"trailing":         `{"keys":[{"version":"v1","secret":"sentinel"}]} {}`,
	"extra twice":      `{"keys":[{"version":"v1","secret":"sentinel-a","extra":{"sentinel":"a","sentinel":"b"}}]}`,
	"field twice":      `{"keys":[{"version":"v1","secret":"sentinel-a","secret":"sentinel-b"}]}`,
	"field in capital": `{"keys":[{"version":"v1","secret":"sentinel-a","Secret":"sentinel-b"}]}`,
	"folded field":     `{"keys":[{"version":"v1","ſecret":"sentinel-b"}]}`,
	"version twice":    `{"keys":[{"version":"v1","secret":"sentinel-a"},{"version":"v1","secret":"sentinel-b"}]}`,
	"no version":       `{"keys":[{"secret":"sentinel"}]}`,
	"no secret":        `{"keys":[{"version":"v1"}]}`,
	"empty secret":     `{"keys":[{"version":"v1","secret":""}]}`,
	"wrong type":       `{"keys":[{"version":"v1","secret":{"sentinel":"x"}}]}`,
	"number":           `{"keys":[{"version":1,"secret":"sentinel"}]}`,
	"bad time":         `{"keys":[{"version":"v1","secret":"sentinel","expires_at":"sentinel"}]}`,
	"bad status":       `{"keys":[{"version":"v1","secret":"sentinel","status":"sentinel"}]}`,
	"wrong order":      `{"keys":[{"version":"v1","secret":"sentinel","not_before":"2026-11-24T00:00:00Z","expires_at":"2026-11-23T00:00:00Z"}]}`,
	"control":          "{\"keys\":[{\"version\":\"v\\n1\",\"secret\":\"sentinel\"}]}",
	"not utf-8":        "{\"keys\":[{\"version\":\"v1\",\"secret\":\"sentinel\xff\"}]}",
	"deep":             strings.Repeat("[", 1000),
	"huge":             `{"keys":[{"version":"v1","secret":"` + strings.Repeat("s", source.MaxSize) + `"}]}`,
}

func TestDocumentRefuses(t *testing.T) {
	for name, text := range badDocuments {
		_, err := source.Document([]byte(text))
		if !errors.Is(err, source.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), "sentinel") {
			t.Errorf("%s: the error quotes it: %v", name, err)
		}
	}
}

// Fields that the format does not have are ignored. A misspelt one is an error, which names the
// key and the field.
//
// F155
func TestDocumentFields(t *testing.T) {
	for _, text := range []string{
		`{"keys":[{"version":"v1","secret":"sentinel","owner":"team","kid":1,"nested":{"a":[{"a":1,"a":2}]}}],"generated_by":"tool","schema":2}`,
		`{"$schema":"https://example.com/","keys":[{"version":"v1","secret":"sentinel","rotation":null,"x":1,"x":2}]}`,
		`{"keys":[{"version":"v1","secret":"sentinel","deep":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}]}`,
		`{"keys":[{"version":"v1","secret":"sentinel","id":null,"extra":null,"scopes":null,"status":null,"expires_at":null}]}`,
	} {
		set, err := source.Document([]byte(text))
		if err != nil || len(set.Keys) != 1 || set.Keys[0].Secret.Expose() != "sentinel" || len(set.Warnings) > 0 {
			t.Errorf("%s: %v, %v", text, err, set.Warnings)
		}
	}
	for field, want := range map[string]string{
		`"expiresAt":"x"`: "expires_at", `"expires":"x"`: "expires_at", `"expire_at":"x"`: "expires_at", `"not_befor":"x"`: "not_before", `"notBefore":"x"`: "not_before",
		`"Status":"revoked"`: "status", `"stauts":"revoked"`: "status", `"scope":[]`: "scopes", `"ID":"a"`: "id", `"secrets":[]`: "secret", `"meta_data":{}`: "metadata",
		`"version":"v1"`: "version is repeated", `"id":5`: "its id is not", `"extra":[]`: "its extra is not", `"scopes":"a"`: "its scopes", `"metadata":{"a":1}`: "its metadata",
		`"expires_at":"soon"`: "its expires_at", `"created_at":true`: "its created_at", `"not_before":1790000000000`: "its not_before", `"expires_at":"2026-12-31"`: "its expires_at",
		`"status":"sentinel"`: "its status", `"id":"null"`: "its id",
	} {
		_, err := source.Document([]byte(`{"keys":[{"version":"v0","secret":"sentinel"},{"version":"v1","secret":"sentinel",` + field + `}]}`))
		if !errors.Is(err, source.ErrInvalid) || !strings.Contains(err.Error(), "key 2: ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sentinel") {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, text := range []string{`{"Keys":[{"version":"v1","secret":"sentinel"}]}`, `{"key":[{"version":"v1","secret":"sentinel"}]}`} {
		if _, err := source.Document([]byte(text)); !errors.Is(err, source.ErrInvalid) || !strings.Contains(err.Error(), `want "keys"`) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Dates are read as tools write them.
//
// F155
func TestDocumentTimes(t *testing.T) {
	want := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for text, naive := range map[string]bool{
		`"2026-11-23T12:00:00Z"`: false, `"2026-11-23T12:00:00+00:00"`: false, `"2026-11-23T14:00:00.000000+02:00"`: false, `"2026-11-23 12:00:00+00:00"`: false,
		`"2026-11-23T12:00:00+0000"`: false, `1795435200`: false, `1795435200.0`: false, `"1795435200"`: false, `1.7954352e9`: false,
		`"2026-11-23T12:00:00"`: true, `"2026-11-23T12:00:00.000000"`: true, `"2026-11-23 12:00:00"`: true,
	} {
		set, err := source.Document([]byte(`{"keys":[{"version":"v1","secret":"sentinel","expires_at":` + text + `}]}`))
		if err != nil || !set.Keys[0].ExpiresAt.Equal(want) {
			t.Errorf("%s: %+v, %v", text, set.Keys, err)
		}
		if warned := len(set.Warnings) == 1 && strings.Contains(set.Warnings[0].Error(), "key 1: its expires_at has no time zone"); warned != naive {
			t.Errorf("%s: warnings %v", text, set.Warnings)
		}
	}
	for _, text := range []string{`""`, `null`, `" "`} {
		set, err := source.Document([]byte(`{"keys":[{"version":"v1","secret":"sentinel","expires_at":` + text + `}]}`))
		if err != nil || !set.Keys[0].ExpiresAt.IsZero() {
			t.Errorf("%s: %+v, %v", text, set.Keys, err)
		}
	}
}

// The published schema has exactly the fields that the decoder knows.
func TestDocumentSchema(t *testing.T) {
	var schema struct {
		Defs struct {
			Key struct{ Properties map[string]any }
		} `json:"$defs"`
	}
	if err := json.Unmarshal(source.DocumentSchema, &schema); err != nil {
		t.Fatal(err)
	}
	values := map[string]string{
		"version": `"v1"`, "id": `"i"`, "secret": `"s"`, "extra": `{}`, "created_at": `"2026-11-23T12:00:00Z"`, "not_before": `"2026-11-23T12:00:00Z"`,
		"expires_at": `"2026-11-23T12:00:00Z"`, "scopes": `[]`, "metadata": `{}`, "status": `"active"`,
	}
	fields := make([]string, 0, len(values))
	for field := range schema.Defs.Key.Properties {
		fields = append(fields, fmt.Sprintf("%q:%s", field, values[field]))
	}
	if len(fields) != len(values) {
		t.Fatalf("the schema has %d fields, the test %d", len(fields), len(values))
	}
	if _, err := source.Document([]byte(`{"keys":[{` + strings.Join(fields, ",") + `}]}`)); err != nil {
		t.Error(err)
	}
}

func FuzzDocument(f *testing.F) {
	for _, text := range badDocuments {
		f.Add([]byte(text))
	}
	f.Add([]byte(`{"keys":[{"version":"v1","secret":"sentinel-a"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := source.Document(data)
		if err != nil {
			if !errors.Is(err, source.ErrInvalid) {
				t.Errorf("untyped error %v", err)
			}
			return
		}
		again, err := source.EncodeDocument(set)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := source.Document(again); err != nil || len(back.Keys) != len(set.Keys) {
			t.Errorf("round trip: %v", err)
		}
	})
}

func FuzzPlain(f *testing.F) {
	f.Add([]byte("token\n"))
	f.Add([]byte("\ufeff a\r\nb"))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := source.Plain(data)
		if err != nil {
			if !errors.Is(err, source.ErrInvalid) {
				t.Errorf("untyped error %v", err)
			}
			return
		}
		for _, c := range set.Keys[0].Secret.Expose() {
			if c <= ' ' || c > '~' {
				t.Errorf("let %q through", c)
			}
		}
	})
}

// F172
func TestDocumentIsInUTC(t *testing.T) {
	last := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	data, err := source.EncodeDocument(source.Set{Keys: []source.Key{{
		Version: "v1", Secret: source.NewSecret("sentinel-a"), ExpiresAt: last.In(time.FixedZone("east", 3600)),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if set, err := source.Document(data); err != nil || !set.Keys[0].ExpiresAt.Equal(last) {
		t.Errorf("%+v, %v", set, err)
	}
}
