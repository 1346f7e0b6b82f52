package source

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// Dotenv returns a decoder of dotenv text, from which it takes what
// [Variables] looks for under prefix:
//
//	# comment
//	EXCHANGE_API_KEY=id
//	export EXCHANGE_API_SECRET="secret" # export and quotes are optional
//
// A value without quotes ends at white space and #, or at the end of its line.
// Between single quotes everything stands for itself; between double quotes,
// \n, \t, \", \\ and \$ are understood. A quoted value may span lines.
// Nothing is expanded: $HOME is five characters. A name that stands twice, a quote without an end
// and a line without = are errors, whatever the name.
func Dotenv(prefix string) Decoder {
	return func(data []byte) (Set, error) {
		values, err := parseDotenv(data)
		if err != nil {
			return Set{}, err
		}
		set, err := Variables(prefix, func(name string) (string, bool, error) {
			value, set := values[name]
			return value, set, nil
		})
		if err != nil && !errors.Is(err, ErrInvalid) {
			err = fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		return set, err
	}
}

// Variables makes a set of named values, for sources that have such: dotenv
// files, the environment, the fields of a secrets manager. With the prefix
// EXCHANGE it looks up
//
//	EXCHANGE_API_KEY          the id, or the secret where there is no API_SECRET
//	EXCHANGE_API_SECRET       the secret: a token or a PEM block
//	EXCHANGE_API_PASSPHRASE   Extra["passphrase"]
//
// and, for the key before, the same with _PREVIOUS at the end. With an empty
// prefix the names begin with API_. lookup also says whether the name is set at
// all. An empty value counts as none (F27), but for an API_SECRET that is set
// beside an API_KEY: that is half a pair, and its id is no secret. The set is
// not Complete, with a previous key or without.
//
// Where API_KEY is missing the error wraps [ErrNoKey], else [ErrInvalid]; lookup's
// own errors come back as they are.
func Variables(prefix string, lookup func(name string) (value string, set bool, err error)) (Set, error) {
	if prefix != "" {
		prefix += "_"
	}
	var set Set
	for _, suffix := range []string{"", "_PREVIOUS"} {
		key, err := variablesKey(prefix, suffix, lookup)
		if suffix != "" && errors.Is(err, ErrNoKey) {
			break
		}
		if err != nil {
			return Set{}, err
		}
		set.Keys = append(set.Keys, key)
	}
	return set, nil
}

func variablesKey(prefix, suffix string, lookup func(string) (string, bool, error)) (Key, error) {
	names := [3]string{prefix + "API_KEY" + suffix, prefix + "API_SECRET" + suffix, prefix + "API_PASSPHRASE" + suffix}
	var values [3][]byte
	var isSet [3]bool
	for i, name := range names {
		text, set, err := lookup(name)
		if err != nil {
			return Key{}, err
		}
		values[i], isSet[i] = trim([]byte(text)), set
	}
	id, secret, passphrase := values[0], values[1], values[2]
	var key Key
	var err error
	switch {
	case len(id) == 0 && len(secret)+len(passphrase) > 0:
		return Key{}, fmt.Errorf("%w: %s is missing beside its secret or passphrase", ErrInvalid, names[0])
	case len(id) == 0:
		return Key{}, fmt.Errorf("%w: %s is not set", ErrNoKey, names[0])
	case len(secret) == 0 && len(passphrase) > 0:
		return Key{}, fmt.Errorf("%w: %s without %s", ErrInvalid, names[2], names[1])
	case len(secret) == 0 && isSet[1]:
		// An id that is taken for the secret goes out as a bearer token, and in
		// place of a good pair.
		return Key{}, fmt.Errorf("%w: %s is empty", ErrInvalid, names[1])
	case len(secret) == 0:
		if key.Secret, err = Field(id); err != nil {
			return Key{}, fmt.Errorf("%s: %w", names[0], err)
		}
		return key, nil
	}
	token, err := Token(id)
	if err != nil {
		return Key{}, fmt.Errorf("%s: %w", names[0], err)
	}
	key.ID = token.Expose()
	if key.Secret, err = Field(secret); err != nil {
		return Key{}, fmt.Errorf("%s: %w", names[1], err)
	}
	if len(passphrase) > 0 {
		word, err := Field(passphrase)
		if err != nil {
			return Key{}, fmt.Errorf("%s: %w", names[2], err)
		}
		key.Extra = map[string]Secret{"passphrase": word}
	}
	return key, nil
}

// Field checks one field of a key that was read from a place of its own: a
// secret or a passphrase. It is a PEM block, as for [PEM], or else visible ASCII
// without the white space around it. Unlike [Token] it lets pass what merely
// begins like markup or JSON, as a passphrase may, and refuses what also ends so.
func Field(data []byte) (Secret, error) {
	data = trim(data)
	if bytes.HasPrefix(data, []byte("-----BEGIN ")) {
		set, err := PEM(data)
		if err != nil {
			return Secret{}, err
		}
		return set.Keys[0].Secret, nil
	}
	if n := len(data); n > 1 && data[n-1] != closing[data[0]] && closing[data[0]] != 0 {
		// One visible byte in front hides the first byte from Token's guess; it
		// is not part of what is returned.
		if _, err := Token(append([]byte("x"), data...)); err != nil {
			return Secret{}, err
		}
		return NewSecret(string(data)), nil
	}
	return Token(data)
}

var closing = map[byte]byte{'<': '>', '{': '}', '[': ']'}

// parseDotenv returns the values by name. Its errors name lines, never text:
// what stands in the place of a name may be half a secret.
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
			return nil, fmt.Errorf("%w: the name in line %d stands twice", ErrInvalid, line)
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

// dotenvValue takes a value, and the rest of its line, off the front of text.
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
	return "", "", errors.New("a quote without an end")
}

func isName(s string) bool {
	for i, c := range s {
		if c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
