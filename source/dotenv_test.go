package source_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
)

func TestDotenv(t *testing.T) {
	const pem = "-----BEGIN X-----\nc2VjcmV0\n-----END X-----"
	for name, c := range map[string]struct{ text, id, secret, passphrase string }{
		"token":                {"X_API_KEY=tok", "", "tok", ""},
		"pair":                 {"X_API_KEY=id\nX_API_SECRET=sec\n", "id", "sec", ""},
		"passphrase":           {"X_API_KEY=id\nX_API_SECRET=sec\nX_API_PASSPHRASE={word", "id", "sec", "{word"},
		"export":               {"export X_API_KEY=id\nexport\tX_API_SECRET=sec", "id", "sec", ""},
		"blanks":               {"\n  X_API_KEY = id  \n\n\tX_API_SECRET=\tsec\t\n", "id", "sec", ""},
		"comments":             {"# X_API_KEY=no\nX_API_KEY=id # yes\nX_API_SECRET='s#c' # yes\n#", "id", "s#c", ""},
		"hash in the value":    {"X_API_KEY=i#d", "", "i#d", ""},
		"equals signs":         {"X_API_KEY=a=b==", "", "a=b==", ""},
		"nothing expanded":     {"X_API_KEY=a$HOME", "", "a$HOME", ""},
		"double quotes":        {`X_API_KEY="a\"b\\c\$d"`, "", `a"b\c$d`, ""},
		"single quotes":        {`X_API_KEY='a"b\c$d'`, "", `a"b\c$d`, ""},
		"CRLF and BOM":         {"\ufeffX_API_KEY=id\r\nX_API_SECRET=\"sec\"\r\n", "id", "sec", ""},
		"PEM on lines":         {"X_API_KEY=id\nX_API_SECRET='" + pem + "'\nOTHER=1", "id", pem, ""},
		"PEM with escapes":     {"X_API_KEY=id\nX_API_SECRET=\"" + strings.ReplaceAll(pem, "\n", `\n`) + `"`, "id", pem, ""},
		"others are let be":    {"A=1\nB='two words'\nX_API_KEY=tok\nY_API_KEY=no", "", "tok", ""},
		"empty counts as none": {"X_API_KEY=id\nX_API_SECRET=sec\nX_API_PASSPHRASE=''\nX_API_KEY_PREVIOUS=\nX_API_SECRET_PREVIOUS=", "id", "sec", ""}, // F27
	} {
		t.Run(name, func(t *testing.T) {
			set, err := source.Dotenv("X")([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if len(set.Keys) != 1 || set.Complete {
				t.Fatalf("%+v", set)
			}
			k := set.Keys[0]
			if k.ID != c.id || k.Secret.Expose() != c.secret || k.Extra["passphrase"].Expose() != c.passphrase {
				t.Errorf("%q, %q, %q", k.ID, k.Secret.Expose(), k.Extra["passphrase"].Expose())
			}
		})
	}
}

func TestDotenvPrevious(t *testing.T) {
	set, err := source.Dotenv("")([]byte("API_KEY_PREVIOUS=id1\nAPI_SECRET_PREVIOUS=sec1\nAPI_KEY=id2\nAPI_SECRET=sec2"))
	if err != nil || len(set.Keys) != 2 || set.Complete {
		t.Fatalf("%+v, %v", set, err)
	}
	if set.Keys[0].Secret.Expose() != "sec2" || set.Keys[1].Secret.Expose() != "sec1" || set.Keys[1].ID != "id1" {
		t.Errorf("%+v", set)
	}
}

// A line that is odd and not the key's own does not cost the key. The set has a warning that
// names the line and quotes nothing.
//
// F148, F95
func TestDotenvOfOthers(t *testing.T) {
	for name, line := range map[string]string{
		"unknown escape":         `RE="^\d+$"`,
		"a name with dots":       "spring.datasource.url=sentinel",
		"a name with dashes":     "my-name=sentinel",
		"a name with a digit":    "1sentinel=b",
		"a name twice":           "A=sentinel\nA=2",
		"export without a value": "export PATH",
		"a word":                 "sentinel",
		"a command":              "set -a",
		"YAML":                   "sentinel: value",
		"a section":              "[sentinel]",
		"text after the quote":   `A="a"sentinel`,
		"an open quote":          `A="sentinel`,
		"an open single quote":   `A='it`,
		"an open quote, lines":   "A=\"sentinel\nB=\"x\"",
		"an unknown escape, two": "A=\"\\d\nX_API_KEY=no\n\"",
		"an open quote with one": `A="sentinel \d`,
		"two files, no newline":  `A="b"C="sentinel"`,
		"a conflict of git":      "<<<<<<< sentinel\nA=1\n=======\nA=2\n>>>>>>> sentinel",
	} {
		const own = "X_API_KEY=id\nX_API_SECRET=\"sec\""
		for place, text := range map[string]string{"before": line + "\n" + own, "after": own + "\n" + line + "\n", "within": "X_API_KEY=id\n" + line + "\nX_API_SECRET=\"sec\""} {
			set, err := source.Dotenv("X")([]byte(text))
			if err != nil || set.Keys[0].ID != "id" || set.Keys[0].Secret.Expose() != "sec" {
				t.Errorf("%s, %s: %+v, %v", name, place, set.Keys, err)
			} else if len(set.Warnings) != 1 || !strings.Contains(set.Warnings[0].Error(), "line ") || strings.Contains(set.Warnings[0].Error(), "sentinel") {
				t.Errorf("%s, %s: warnings %v", name, place, set.Warnings)
			}
		}
	}
	set, err := source.Dotenv("X")([]byte("A='1\n2'\nB=\"a\\n\"\nX_API_KEY=id\nexport C=\n"))
	if err != nil || len(set.Warnings) > 0 {
		t.Errorf("nothing is odd: %v, %v", set.Warnings, err)
	}
	set, err = source.Dotenv("X")([]byte("X_API_KEY=id\n" + strings.Repeat("sentinel\n", 1000)))
	if err != nil || len(set.Warnings) != 1 || !strings.Contains(set.Warnings[0].Error(), "and 995 more") {
		t.Errorf("a thousand odd lines: %d warnings, %v", len(set.Warnings), err)
	}
}

// F19, F20, F83, F95: an ambiguous file is refused as a whole, and the error quotes nothing.
func TestDotenvRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"empty":                     "",
		"blank":                     " \n\t\r\n",
		"comment":                   "# sentinel",
		"no key":                    "Y_API_KEY=sentinel",
		"empty key":                 "X_API_KEY=",
		"no equals sign":            "export X_API_KEY\nY=sentinel",
		"no equals sign, secret":    "X_API_KEY=sentinel\nX_API_SECRET",
		"odd previous secret":       "X_API_KEY=a\nX_API_SECRET=b\nX_API_KEY_PREVIOUS=id\nX_API_SECRET_PREVIOUS=\"sentinel",
		"twice":                     "X_API_KEY=a\nX_API_KEY=sentinel",
		"open double quote":         "X_API_KEY=\"sentinel\nY=1\n",
		"open single quote":         "X_API_KEY='sentinel",
		"ends in a backslash":       `X_API_KEY="sentinel\`,
		"unknown escape":            `X_API_KEY="\sentinel"`,
		"text after the quote":      `X_API_KEY="a"sentinel`,
		"control character":         `X_API_KEY="sentinel\nX-Evil: 1"`,
		"JSON":                      `{"X_API_KEY":"sentinel"}`,
		"JSON value":                `X_API_KEY={"sentinel":1}`,
		"secret without id":         "X_API_SECRET=sentinel",
		"passphrase without secret": "X_API_KEY=a\nX_API_PASSPHRASE=sentinel",
		"empty secret":              "X_API_KEY=sentinel\nX_API_SECRET=",
		"blank secret":              "X_API_KEY=sentinel\nX_API_SECRET=' '",
		"empty previous secret":     "X_API_KEY=id\nX_API_SECRET=a\nX_API_KEY_PREVIOUS=sentinel\nX_API_SECRET_PREVIOUS=\"\"",
		"half of the previous":      "X_API_KEY=a\nX_API_SECRET_PREVIOUS=sentinel",
		"bad PEM":                   "X_API_KEY='-----BEGIN sentinel'",
		"too long":                  "X_API_KEY=" + strings.Repeat("s", source.MaxSize),
	} {
		t.Run(name, func(t *testing.T) {
			set, err := source.Dotenv("X")([]byte(text))
			if !errors.Is(err, source.ErrInvalid) || len(set.Keys) > 0 {
				t.Fatalf("%+v, %v", set, err)
			}
			if strings.Contains(err.Error(), "sentinel") {
				t.Errorf("the error %q holds data", err)
			}
		})
	}
}

// The errors name the line.
func TestDotenvNamesTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"\n\n#\nX": "line 4", "A='1\n2\n3'\nB=\"\n": "line 4", "A=1\r\nA=2": "line 2",
	} {
		if _, err := source.Dotenv("X")([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func FuzzDotenv(f *testing.F) {
	for _, seed := range []string{"X_API_KEY=a", "export A='b'\nX_API_KEY=\"c\\n\" # d", "A", "\ufeff\r\n"} {
		f.Add([]byte(seed))
	}
	decode := source.Dotenv("X")
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := decode(data)
		if err != nil && !errors.Is(err, source.ErrInvalid) {
			t.Errorf("error %v", err)
		}
		if err == nil && (len(set.Keys) == 0 || set.Keys[0].Secret.IsZero()) {
			t.Error("neither a key nor an error")
		}
	})
}
