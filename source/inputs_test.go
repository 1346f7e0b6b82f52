package source_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/env"
	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/source/internal/decode"
	"github.com/rollingkeys/rollingkeys/source/internal/pair"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// places are the places where the sources of this module, and those of stores, read a key of
// several fields. Each function writes a key to its place and reads it.
func places(t *testing.T) map[string]func(id, secret, passphrase string) (source.Set, error) {
	write := func(dir, name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	object := func(v any) []byte {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	return map[string]func(id, secret, passphrase string) (source.Set, error){
		"variables": func(id, secret, passphrase string) (source.Set, error) {
			t.Setenv("X_API_KEY", id)
			t.Setenv("X_API_SECRET", secret)
			t.Setenv("X_API_PASSPHRASE", passphrase)
			return env.Pair("X").Read(t.Context())
		},
		"files of variables": func(id, secret, passphrase string) (source.Set, error) {
			dir := t.TempDir()
			for name, text := range map[string]string{"Y_API_KEY": id, "Y_API_SECRET": secret, "Y_API_PASSPHRASE": passphrase} {
				t.Setenv(name+"_FILE", write(dir, name, text))
			}
			return env.Pair("Y").Read(t.Context())
		},
		"directory": func(id, secret, passphrase string) (source.Set, error) {
			dir := t.TempDir()
			write(dir, "api-key", id)
			write(dir, "api-secret", secret)
			write(dir, "passphrase", passphrase)
			return file.Dir(dir).Read(t.Context())
		},
		"dotenv": func(id, secret, passphrase string) (source.Set, error) {
			quote := func(text string) string {
				return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "\n", `\n`, "\t", `\t`).Replace(text) + `"`
			}
			return source.Dotenv("Z")([]byte("Z_API_KEY=" + quote(id) + "\nZ_API_SECRET=" + quote(secret) + "\nZ_API_PASSPHRASE=" + quote(passphrase)))
		},
		"fields of a store": func(id, secret, passphrase string) (source.Set, error) {
			return pair.Names{ID: "id", Passphrase: "word"}.JSON(object(map[string]string{"id": id, "secret": secret, "word": passphrase}))
		},
		"document": func(id, secret, passphrase string) (source.Set, error) {
			return source.Document(fmt.Appendf(nil, `{"keys":[{"version":"v1","id":%s,"secret":%s,"extra":{"passphrase":%s}}]}`,
				object(id), object(secret), object(passphrase)))
		},
	}
}

// alone are the places for a secret without an ID, with the decoder of PEM where there is one.
func alone(t *testing.T) map[string]func(secret string) (source.Set, error) {
	return map[string]func(secret string) (source.Set, error){
		"PEM": func(secret string) (source.Set, error) { return source.PEM([]byte(secret)) },
		"variable": func(secret string) (source.Set, error) {
			t.Setenv("X_TOKEN", secret)
			return env.New("X_TOKEN").Read(t.Context())
		},
		"file": func(secret string) (source.Set, error) {
			path := filepath.Join(t.TempDir(), "key.pem")
			if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
				t.Fatal(err)
			}
			return file.New(path, file.WithDecoder(source.PEM)).Read(t.Context())
		},
	}
}

// A private key is read in each form that tools make of it, and each form is the same key.
//
// F144
func TestFormsOfPEM(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block := strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})))
	const params = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
	const certificate = "-----BEGIN CERTIFICATE-----\nc2VudGluZWw=\n-----END CERTIFICATE-----\n"
	escaped := strings.ReplaceAll(block, "\n", `\n`)
	forms := map[string]string{
		"as it is":                    block,
		"line break at the end":       block + "\n",
		"CRLF":                        strings.ReplaceAll(block, "\n", "\r\n"),
		`\n`:                          escaped,
		`\n at the end`:               escaped + `\n`,
		`\r\n`:                        strings.ReplaceAll(block, "\n", `\r\n`),
		`\\n`:                         strings.ReplaceAll(block, "\n", `\\n`),
		`\n in quotes`:                `"` + escaped + `\n"`,
		`\n in single quotes`:         `'` + escaped + `'`,
		"in quotes":                   `"` + block + `"`,
		"spaces for line breaks":      strings.ReplaceAll(block, "\n", " "),
		"no line breaks":              strings.ReplaceAll(block, "\n", ""),
		"indented":                    "  " + strings.ReplaceAll(block, "\n", "\n  "),
		"after EC PARAMETERS":         params + block,
		"after EC PARAMETERS, by \\n": strings.ReplaceAll(params+block, "\n", `\n`),
		"before a certificate":        block + "\n" + certificate,
		"after Bag Attributes":        "Bag Attributes\n    localKeyID: 01 \nKey Attributes: <No Attributes>\n" + block + "\nBag Attributes\n" + certificate,
	}
	check := func(t *testing.T, set source.Set, err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		} else if set.Keys[0].Secret.Expose() != block {
			t.Errorf("read %q", set.Keys[0].Secret.Expose())
		}
	}
	for place, read := range places(t) {
		for form, text := range forms {
			t.Run(place+", "+form, func(t *testing.T) {
				set, err := read("id", text, "word")
				check(t, set, err)
			})
		}
	}
	for place, read := range alone(t) {
		for form, text := range forms {
			t.Run(place+" alone, "+form, func(t *testing.T) {
				set, err := read(text)
				check(t, set, err)
			})
		}
	}
}

// Text that has the beginning of a PEM block is a PEM block or an error, and never a password.
//
// F144
func TestNoPasswordOfABrokenPEM(t *testing.T) {
	const block = "-----BEGIN PRIVATE KEY-----\nc2VudGluZWw=\n-----END PRIVATE KEY-----"
	for what, text := range map[string]string{
		"cut short":         "-----BEGIN PRIVATE KEY-----\nc2VudGlu",
		"on one line":       `-----BEGIN PRIVATE KEY-----\nc2VudGlu`,
		"text before":       "sentinel -----BEGIN PRIVATE KEY-----",
		"no space":          "-----BEGINPRIVATEKEY-----c2VudGluZWw=-----ENDPRIVATEKEY-----",
		"text after":        block + "\nsentinel",
		"rest of a longer":  block + "\nc2VudGluZWw=\n-----END PRIVATE KEY-----\n",
		"two private keys":  block + "\n" + block,
		"a second, cut":     block + "\n-----BEGIN PRIVATE KEY-----\nc2VudGlu",
		"a first, cut":      "-----BEGIN PRIVATE KEY-----\nc2VudGlu\n" + block,
		"two, none private": strings.ReplaceAll(block+"\n"+block, "PRIVATE KEY", "CERTIFICATE"),
	} {
		refused := func(place string, set source.Set, err error) {
			t.Helper()
			if !errors.Is(err, source.ErrInvalid) || len(set.Keys) > 0 || strings.Contains(err.Error(), "sentinel") {
				t.Errorf("%s, %s: %d keys, %v", place, what, len(set.Keys), err)
			}
		}
		for place, read := range places(t) {
			set, err := read("id", text, "word")
			refused(place, set, err)
			set, err = read(text, "sentinel", "word")
			refused(place+", as an ID", set, err)
		}
		for place, read := range alone(t) {
			set, err := read(text)
			refused(place+" alone", set, err)
		}
		set, err := source.Plain([]byte(text))
		refused("plain", set, err)
	}
}

// unfilled are texts that a template which failed, or a tool that did not run, leaves in the
// place of a secret.
var unfilled = []string{
	"null", "NULL", "None", "nil", "<nil>", "undefined", "NaN", "(null)", "<no value>", "[object Object]", "%!s(MISSING)", "%!v(<nil>)", "false", "{}",
	`"sk-new"`, "'sk-new'", "`sk-new`", "“sk-new”", "[redacted]", "(sensitive value)", "(known after apply)", "<redacted>", "********", "***",
	"${API_KEY}", "${API_KEY:-none}", "sk-${ENV}-1", "$API_KEY", "$(API_KEY)", "$(cat /run/key)", "%API_KEY%", "{{ .Values.key }}", "{{key}}", "<%= key %>",
	"#{API_KEY}#", "__API_KEY__", "<API_KEY>", "<your-api-key>", "{{resolve:secretsmanager:prod}}",
	"op://vault/item/field", "vault:secret/data/prod#key", "vault://secret/prod", "ref+vault://prod#key", "@Microsoft.KeyVault(SecretUri=https://v)",
	"arn:aws:secretsmanager:eu-central-1:1:secret:prod", "file:///run/secrets/key", "env://API_KEY",
	"ENC[AES256_GCM,data:aa,type:str]", "ENC(c2VudGluZWw=)", "{cipher}c2VudGluZWw=",
}

// What is left in the place of a secret or an ID is refused, with a word on what it looks like.
// A passphrase may be any text.
//
// F147, F95
func TestUnfilledTemplates(t *testing.T) {
	refused := func(place, text string, set source.Set, err error) {
		t.Helper()
		if !errors.Is(err, source.ErrInvalid) || len(set.Keys) > 0 {
			t.Errorf("%s: %q is taken, %v", place, text, err)
		} else if !strings.Contains(err.Error(), "looks like ") || strings.Contains(strings.ReplaceAll(err.Error(), "such as null", ""), text) {
			t.Errorf("%s: %q: %v", place, text, err)
		}
	}
	for _, text := range unfilled {
		for place, read := range places(t) {
			set, err := read("id", text, "word")
			refused(place, text, set, err)
			set, err = read(text, "sentinel", "word")
			refused(place+", as an ID", text, set, err)
			if text == "[redacted]" { // F94
				continue
			}
			if set, err := read("id", "sentinel", text); err != nil || set.Keys[0].Extra["passphrase"].Expose() != text {
				t.Errorf("%s: the passphrase %q: %v", place, text, err)
			}
		}
		t.Setenv("X_TOKEN", text)
		set, err := env.New("X_TOKEN").Read(t.Context())
		refused("variable", text, set, err)
		if text != "“sk-new”" {
			set, err = source.Plain([]byte(text + "\n"))
			refused("plain", text, set, err)
		}
		set, err = decode.Set(func(data []byte) (source.Set, error) { // a decoder of the user's own
			return source.Set{Keys: []source.Key{{Secret: source.NewSecret(string(data))}}}, nil
		}, []byte(text))
		refused("own decoder", text, set, err)
	}
}

// A file that a template spoils does not replace the good key.
//
// F147, F82
func TestTheGoodKeyStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api-key")
	put := func(text string) {
		t.Helper()
		if err := errors.Join(os.WriteFile(path+".new", []byte(text), 0o600), os.Rename(path+".new", path)); err != nil {
			t.Fatal(err)
		}
	}
	put("sentinel-1")
	keys, err := ring.Keep(t.Context(), file.New(path), ring.WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	for _, text := range unfilled {
		put(text)
		if err := keys.Refresh(t.Context()); !errors.Is(err, source.ErrInvalid) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if key, err := keys.InUse(); err != nil || key.Secret.Expose() != "sentinel-1" || len(keys.Status().Versions) != 1 {
		t.Errorf("the good key is gone: %v", err)
	}
	put("sentinel-2")
	if err := keys.Refresh(t.Context()); err != nil {
		t.Error(err)
	}
	if key, err := keys.InUse(); err != nil || key.Secret.Expose() != "sentinel-2" {
		t.Errorf("the next key does not come: %v", err)
	}
}

// A secret in a place of its own may be any text in UTF-8 without control characters. What looks
// like something else is refused.
//
// F153
func TestPasswords(t *testing.T) {
	for _, text := range []string{
		"open sesame", "123£", "sentinel-ä", "[sentinel]", "<sentinel>", "{sentinel}", "{sentinel", "密碼 🔑", "basic needs", "a=b c", "~!@#$%^&*()", `it's "x`, "pa${", "100%",
		"$2b$12$abcdefgh", "null and void", "nullify", "None2",
	} {
		for place, read := range places(t) {
			set, err := read(text, text, text)
			if err != nil {
				t.Errorf("%s: %q: %v", place, text, err)
			} else if k := set.Keys[0]; k.ID != text || k.Secret.Expose() != text || k.Extra["passphrase"].Expose() != text {
				t.Errorf("%s: %q: read %q, %q", place, text, k.ID, k.Secret.Expose())
			}
		}
	}
	for what, text := range map[string]string{
		"control":   "sentinel\x01",
		"C1":        "sentinel\u0085x",
		"lines":     "sentinel-1\nsentinel-2",
		"tab":       "sentinel-1\tsentinel-2",
		"UTF-16":    "\xff\xfes\x00e\x00n\x00",
		"Latin 1":   "sentinel\xe4",
		"a header":  "Bearer sentinel-0123456789",
		"JSON":      `{"secret": "sentinel"}`,
		"JSON, cut": `{"secret": "sent`,
		"an array":  `["sentinel"]`,
		"markup":    "<!doctype html><title>sentinel</title>",
		"XML":       "<Error><Code>sentinel</Code></Error>",
	} {
		for place, read := range places(t) {
			if place == "document" || place == "variables" && strings.Contains(text, "\x00") || place == "fields of a store" && !utf8.ValidString(text) {
				continue // a document says what its secret is; a variable cannot have a NUL, and JSON is UTF-8
			}
			if set, err := read("id", text, "word"); !errors.Is(err, source.ErrInvalid) || strings.Contains(err.Error(), "sentinel") {
				t.Errorf("%s, %s: %d keys, %v", place, what, len(set.Keys), err)
			}
		}
	}
}
