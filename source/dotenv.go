package source

import (
	"errors"
	"fmt"
	"strings"

	"github.com/rollingkeys/rollingkeys/source/internal/field"
)

// Dotenv returns a decoder for dotenv text:
//
//	# comment
//	EXCHANGE_API_KEY=id
//	export EXCHANGE_API_SECRET="secret" # export and quotes are optional
//
// If the prefix is EXCHANGE, the decoder looks for these names:
//
//	EXCHANGE_API_KEY          the ID; the Secret if there is no API_SECRET
//	EXCHANGE_API_SECRET       the Secret: a token or a PEM block
//	EXCHANGE_API_PASSPHRASE   Extra["passphrase"]
//
// For the previous key it looks for the same names with _PREVIOUS at the end. If the
// prefix is empty, the names begin with API_. An empty value counts as missing. The
// exception is an empty API_SECRET beside an API_KEY, which is an error: otherwise the
// decoder would use the ID as the secret. The set is never Complete.
//
// A value without quotes ends at white space followed by #, or at the end of its line.
// Single quotes keep all characters as they are. In double quotes, \n, \t, \", \\ and \$
// are escapes. A quoted value may span lines. Variables are not expanded: $HOME is five
// characters. A repeated name, a quote that is not closed and a line without = are errors,
// even if the decoder does not look for the name.
func Dotenv(prefix string) Decoder {
	return func(data []byte) (Set, error) {
		values, err := parseDotenv(data)
		if err != nil {
			return Set{}, err
		}
		pairs, err := field.Variables(prefix, func(name string) (string, bool, error) {
			value, set := values[name]
			return value, set, nil
		})
		if err != nil {
			return Set{}, err
		}
		if len(pairs) == 0 {
			return Set{}, fmt.Errorf("%w: %s is not set", ErrInvalid, field.APIKey(prefix))
		}
		var set Set
		for _, p := range pairs {
			key := Key{ID: p.ID, Secret: NewSecret(p.Secret)}
			if p.Passphrase != "" {
				key.Extra = map[string]Secret{"passphrase": NewSecret(p.Passphrase)}
			}
			set.Keys = append(set.Keys, key)
		}
		return set, nil
	}
}

// parseDotenv returns the values by name. Its errors give line numbers and quote nothing,
// since even the text in the place of a name may be half a secret.
func parseDotenv(data []byte) (map[string]string, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrInvalid, MaxSize)
	}
	rest := strings.ReplaceAll(strings.TrimPrefix(string(data), "\ufeff"), "\r\n", "\n")
	if strings.TrimSpace(rest) == "" {
		return nil, fmt.Errorf("%w: empty", ErrInvalid)
	}
	values := make(map[string]string)
	for line := 1; rest != ""; {
		text, after, _ := strings.Cut(rest, "\n")
		if t := strings.TrimSpace(text); t == "" || t[0] == '#' {
			rest = after
			line++
			continue
		}
		name, value, found := strings.Cut(rest, "=")
		name = strings.Trim(name, " \t")
		if n, ok := strings.CutPrefix(name, "export"); ok && strings.TrimLeft(n, " \t") != n {
			name = strings.TrimLeft(n, " \t")
		}
		if !found || !isName(name) {
			return nil, fmt.Errorf("%w: line %d is not NAME=VALUE", ErrInvalid, line)
		}
		if _, twice := values[name]; twice {
			return nil, fmt.Errorf("%w: line %d repeats a name", ErrInvalid, line)
		}
		v, after, err := dotenvValue(strings.TrimLeft(value, " \t"))
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrInvalid, line, err)
		}
		values[name] = v
		line += strings.Count(rest[:len(rest)-len(after)], "\n")
		rest = after
	}
	return values, nil
}

// dotenvValue returns the value at the beginning of text, and the text after its line.
func dotenvValue(text string) (value, rest string, err error) {
	if text == "" || text[0] != '\'' && text[0] != '"' {
		value, rest, _ = strings.Cut(text, "\n")
		for i := range value {
			if value[i] == '#' && (i == 0 || value[i-1] == ' ' || value[i-1] == '\t') {
				value = value[:i]
				break
			}
		}
		return strings.TrimRight(value, " \t"), rest, nil
	}
	quote := text[0]
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		c := text[i]
		switch {
		case c == quote:
			value, rest, _ = strings.Cut(text[i+1:], "\n")
			if value = strings.TrimLeft(value, " \t"); value != "" && value[0] != '#' {
				return "", "", errors.New("text after the closing quote")
			}
			return b.String(), rest, nil
		case c == '\\' && quote == '"' && i+1 < len(text):
			i++
			e := strings.IndexByte("nt\"\\$", text[i])
			if e < 0 {
				return "", "", errors.New("unknown escape")
			}
			b.WriteByte("\n\t\"\\$"[e])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", errors.New("a quote that is not closed")
}

func isName(s string) bool {
	for i, c := range s {
		if c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
