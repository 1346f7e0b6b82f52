package provider

import (
	"slices"
	"strings"

	"github.com/rollingkeys/rollingkeys/transport"
)

// Codes returns a classifier that decides by an error code or message in a JSON body:
// the value at path, as [Lookup] finds it. "*" in the path stands for each element of a
// list, such as "errors.*.code"; then the first listed value decides. Letter case is
// ignored. A text that ends in "*" matches all values that begin with it; the longest
// match decides. Codes reads only bodies of the given statuses, and at most
// [transport.MaxPeek] bytes. It classifies other answers like [transport.RFC6750].
//
// Also list errors that are not about the key, as [transport.Inconclusive]. Otherwise
// they count as a refusal with a status of 401, and as an acceptance with 200.
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

// texts maps error codes and messages, in lower case, to verdicts.
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

// first returns the verdict of the first listed text at path in data.
func (m texts) first(data []byte, path string) (v transport.Verdict, ok bool) {
	for text := range values(data, path) {
		if v, ok = m.verdict(text); ok {
			break
		}
	}
	return v, ok
}

// verdict returns the verdict of text. If several prefixes match, the longest decides.
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
