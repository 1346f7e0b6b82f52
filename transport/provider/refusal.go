package provider

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/rollingkeys/rollingkeys/transport"
)

// Codes returns a classifier that reads an error code, or message, out of JSON
// bodies: the value at path, names and indexes with dots between them, such as
// "error.code" or "error.0". Letter case does not matter; a text that ends in
// "*" stands for all that begin with it. Only bodies of the given statuses are
// read, and of those no more than [transport.MaxPeek]. Whatever is not listed is
// decided as [transport.RFC6750] does.
//
// List what is not about the key as well, as [transport.Inconclusive]: with a status of
// 401 it would count as a refusal else, and with 200 as an acceptance.
func Codes(path string, verdicts map[transport.Verdict][]string, statuses ...int) transport.Classifier {
	names, meaning := strings.Split(path, "."), newTexts(verdicts)
	return func(a *transport.Answer) transport.Verdict {
		if slices.Contains(statuses, a.Status) {
			if v, ok := meaning.verdict(lookup(a.Body(), names...)); ok {
				return v
			}
		}
		return transport.RFC6750(a)
	}
}

// texts are what error codes and messages mean, in lower case.
type texts struct{ exact, prefix map[string]transport.Verdict }

func newTexts(verdicts map[transport.Verdict][]string) texts {
	m := texts{make(map[string]transport.Verdict), make(map[string]transport.Verdict)}
	for verdict, list := range verdicts {
		for _, t := range list {
			t = strings.ToLower(t)
			if begin, ok := strings.CutSuffix(t, "*"); ok {
				m.prefix[begin] = verdict
			} else {
				m.exact[t] = verdict
			}
		}
	}
	return m
}

// verdict returns what text means; of the prefixes that fit, the longest says.
func (m texts) verdict(text string) (v transport.Verdict, ok bool) {
	if text == "" {
		return v, false
	}
	text = strings.ToLower(text)
	if v, ok = m.exact[text]; ok {
		return v, true
	}
	longest := -1
	for begin, means := range m.prefix {
		if strings.HasPrefix(text, begin) && len(begin) > longest {
			v, ok, longest = means, true, len(begin)
		}
	}
	return v, ok
}

// unless passes answers with status 200 whose body begins with one of the given
// texts, so that a success costs no decoding; c decides the others.
func unless(c transport.Classifier, success ...string) transport.Classifier {
	return func(a *transport.Answer) transport.Verdict {
		if a.Status == 200 {
			body := a.Body()
			for _, s := range success {
				if bytes.HasPrefix(body, []byte(s)) {
					return transport.Passed
				}
			}
		}
		return c(a)
	}
}

// lookup returns the string or number at path in data, empty where there is
// none. It reads no further than that, as data may be cut off, and needs no
// recursion, as data may be hostile.
func lookup(data []byte, path ...string) string {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	for _, want := range path {
		tok, err := dec.Token()
		if err != nil {
			return ""
		}
		for i := 0; ; i++ {
			if !dec.More() {
				return ""
			}
			name := strconv.Itoa(i)
			switch tok {
			case json.Delim('{'):
				t, err := dec.Token()
				if err != nil {
					return ""
				}
				name, _ = t.(string)
			case json.Delim('['):
			default:
				return ""
			}
			if name == want {
				break
			}
			if !skip(dec) {
				return ""
			}
		}
	}
	tok, err := dec.Token()
	if err != nil {
		return ""
	}
	switch v := tok.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// skip reads one value and drops it.
func skip(dec *json.Decoder) bool {
	for depth := 0; ; {
		tok, err := dec.Token()
		if err != nil {
			return false
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth <= 0 {
			return depth == 0
		}
	}
}
