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
//	EXCHANGE_API_SECRET       the Secret: a token, a password or a PEM block
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
// characters. For these names, a repeated one, a quote that is not closed, an escape or a text
// after the closing quote that is not as above, and a line without = are errors.
//
// The decoder does not judge the other lines, which may be written for another tool: if one is
// odd, the set has a warning with the number of the line. A quote that is not closed there ends
// with its line.
func Dotenv(prefix string) Decoder {
	return func(data []byte) (Set, error) {
		lines, err := parseDotenv(data)
		if err != nil {
			return Set{}, err
		}
		byName := make(map[string]*assignment)
		for i := range lines {
			l := &lines[i]
			if byName[l.name] != nil {
				l.odd = "repeats a name"
			}
			byName[l.name] = l
		}
		wanted := make(map[string]bool)
		pairs, err := field.Variables(prefix, func(name string) (string, bool, error) {
			wanted[name] = true
			l := byName[name]
			switch {
			case l == nil:
				return "", false, nil
			case l.odd != "":
				return "", true, fmt.Errorf("%w: line %d %s", ErrInvalid, l.line, l.odd)
			}
			return l.value, true, nil
		})
		if err != nil {
			return Set{}, err
		}
		odd := oddLines(lines, wanted)
		if len(pairs) == 0 && odd != "" {
			return Set{}, fmt.Errorf("%w: %s is not set; %s", ErrInvalid, field.APIKey(prefix), odd)
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
		if odd != "" {
			set.Warnings = []error{errors.New("other lines were passed over: " + odd)}
		}
		return set, nil
	}
}

// An assignment is one NAME=VALUE of a dotenv text. odd says what is wrong with it, if anything.
// Neither odd nor an error quotes the name: even the text in its place may be half a secret.
type assignment struct {
	name, value string
	line        int
	odd         string
}

// oddLines describes the odd lines whose names are not wanted, or returns "".
func oddLines(lines []assignment, wanted map[string]bool) string {
	var odd []string
	for _, l := range lines {
		if l.odd != "" && !wanted[l.name] {
			odd = append(odd, fmt.Sprintf("line %d %s", l.line, l.odd))
		}
	}
	const most = 5
	if len(odd) > most {
		odd = append(odd[:most], fmt.Sprintf("and %d more", len(odd)-most))
	}
	return strings.Join(odd, "; ")
}

// parseDotenv returns the assignments, and each line that is none as an odd one (F148).
func parseDotenv(data []byte) ([]assignment, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrInvalid, MaxSize)
	}
	rest := strings.ReplaceAll(strings.TrimPrefix(string(data), "\ufeff"), "\r\n", "\n")
	if strings.TrimSpace(rest) == "" {
		return nil, fmt.Errorf("%w: empty", ErrInvalid)
	}
	var lines []assignment
	for line := 1; rest != ""; {
		text, after, _ := strings.Cut(rest, "\n")
		if t := strings.TrimSpace(text); t != "" && t[0] != '#' {
			l := assignment{line: line}
			name, _, found := strings.Cut(text, "=")
			l.name = strings.Trim(name, " \t")
			if n, ok := strings.CutPrefix(l.name, "export"); ok && strings.TrimLeft(n, " \t") != n {
				l.name = strings.TrimLeft(n, " \t")
			}
			if found {
				l.value, after, l.odd = dotenvValue(strings.TrimLeft(rest[len(name)+1:], " \t"))
			}
			switch {
			case !found:
				l.odd = "is not NAME=VALUE"
			case l.odd == "" && !isName(l.name):
				l.odd = "has a name that is not one of letters, digits and _"
			}
			lines = append(lines, l)
		}
		line += strings.Count(rest[:len(rest)-len(after)], "\n")
		rest = after
	}
	return lines, nil
}

// dotenvValue returns the value at the beginning of text, and the text after its line. If odd
// is not empty, it says what is wrong, and the value means nothing. A quoted value without an end
// counts as one line: the lines after it may be the wanted ones.
func dotenvValue(text string) (value, rest, odd string) {
	if text == "" || text[0] != '\'' && text[0] != '"' {
		value, rest, _ = strings.Cut(text, "\n")
		for i := range value {
			if value[i] == '#' && (i == 0 || value[i-1] == ' ' || value[i-1] == '\t') {
				value = value[:i]
				break
			}
		}
		return strings.TrimRight(value, " \t"), rest, ""
	}
	_, next, _ := strings.Cut(text, "\n")
	quote := text[0]
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		c := text[i]
		switch {
		case c == quote:
			value, rest, _ = strings.Cut(text[i+1:], "\n")
			if value = strings.TrimLeft(value, " \t"); value != "" && value[0] != '#' {
				return "", next, "has text after the closing quote"
			}
			return b.String(), rest, odd
		case c == '\\' && quote == '"' && i+1 < len(text):
			i++
			e := strings.IndexByte("nt\"\\$", text[i])
			if e < 0 {
				odd = "has an unknown escape"
				continue
			}
			b.WriteByte("\n\t\"\\$"[e])
		default:
			b.WriteByte(c)
		}
	}
	return "", next, "has a quote that is not closed"
}

func isName(s string) bool {
	for i, c := range s {
		if c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
