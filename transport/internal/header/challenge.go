package header

import "strings"

// A Challenge is one challenge of a WWW-Authenticate header (RFC 9110 section 11.6.1).
type Challenge struct {
	Scheme string
	params [][2]string
}

// Param returns the value of the named parameter, or "". Letter case does not count in a
// name. A token68 is no parameter.
func (c Challenge) Param(name string) string {
	for _, p := range c.params {
		if EqualFold(p[0], name) {
			return p[1]
		}
	}
	return ""
}

// ParseChallenges returns the challenges in one value of WWW-Authenticate. A value may have
// several, and both challenges and parameters are separated by commas (section 11.3): a
// token is a parameter's name if "=" follows it, and else begins a challenge. What is
// neither is skipped.
func ParseChallenges(value string) (list []Challenge) {
	rest := value
	for {
		if rest = strings.TrimLeft(rest, " \t,"); rest == "" {
			return list
		}
		name := leading(rest, tokenChar)
		if name == "" { // not a token: a quoted text, or another character
			_, rest = item(rest)
			continue
		}
		rest = rest[len(name):]
		after := strings.TrimLeft(rest, " \t")
		if !strings.HasPrefix(after, "=") {
			list = append(list, Challenge{Scheme: name})
			if rest != "" && rest[0] == ' ' {
				rest = skipToken68(after)
			}
			continue
		}
		var text string
		text, rest = item(strings.TrimLeft(after[1:], " \t"))
		if n := len(list) - 1; n >= 0 {
			list[n].params = append(list[n].params, [2]string{name, text})
		}
	}
}

// item returns the token or the quoted-string at the beginning of s, and what follows it.
// Where there is neither, it skips a character.
func item(s string) (text, rest string) {
	if s == "" {
		return "", ""
	}
	if s[0] != '"' {
		n := max(1, len(leading(s, tokenChar)))
		return s[:n], s[n:]
	}
	var plain strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return plain.String(), s[i+1:]
		case c == '\\' && i+1 < len(s): // quoted-pair (section 5.6.4)
			i++
			plain.WriteByte(s[i])
		default:
			plain.WriteByte(c)
		}
	}
	return plain.String(), "" // the quote does not end
}

// skipToken68 returns what follows the token68 at the beginning of s, or s if there is none.
func skipToken68(s string) string {
	text := leading(s, func(c byte) bool { return tokenChar(c) || c == '/' })
	rest := strings.TrimLeft(s[len(text):], "=")
	end := strings.TrimLeft(rest, " \t")
	if text == "" || end != "" && end[0] != ',' {
		return s
	}
	return rest
}

// leading returns the bytes at the beginning of s that are as is says.
func leading(s string, is func(byte) bool) string {
	i := 0
	for i < len(s) && is(s[i]) {
		i++
	}
	return s[:i]
}

func tokenChar(c byte) bool {
	return c > ' ' && c <= '~' && !strings.ContainsRune(`"(),/:;<=>?@[\]{}`, rune(c))
}
