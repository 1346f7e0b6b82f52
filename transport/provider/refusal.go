package provider

import (
	"slices"
	"strings"

	"github.com/rollingkeys/rollingkeys/transport"
)

// Codes returns a classifier that reads an error code, or message, out of JSON
// bodies: the value at path, as [Lookup] finds it. A "*" in the path stands for each
// element of a list, such as "errors.*.code"; the first that is listed decides. Letter
// case does not matter; a text that ends in "*" stands for all that begin with it. Only
// bodies of the given statuses are read, and of those no more than [transport.MaxPeek].
// Whatever is not listed is decided as [transport.RFC6750] does.
//
// List what is not about the key as well, as [transport.Inconclusive]: with a status of
// 401 it would count as a refusal else, and with 200 as an acceptance.
func Codes(path string, verdicts map[transport.Verdict][]string, statuses ...int) transport.Classifier {
	meaning := newTexts(verdicts)
	return func(a *transport.Answer) transport.Verdict {
		if slices.Contains(statuses, a.Status) {
			if v, ok := meaning.first(a.Body(), path); ok {
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

// first returns what the first text at path in data means that means anything.
func (m texts) first(data []byte, path string) (v transport.Verdict, ok bool) {
	for text := range values(data, path) {
		if v, ok = m.verdict(text); ok {
			break
		}
	}
	return v, ok
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
