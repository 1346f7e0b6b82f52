package provider

import (
	"net/http"
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
// Also list errors that are not about the key, as [transport.Inconclusive]. A 401 with a
// code that is not listed is [transport.Ambiguous]: it may be about a permission. If the
// API answers errors with the status 200, give the result to [Success].
func Codes(path string, verdicts map[transport.Verdict][]string, statuses ...int) transport.Classifier {
	meaning := newTexts(verdicts)
	return func(a *transport.Answer) transport.Verdict {
		if !slices.Contains(statuses, a.Status) {
			return transport.RFC6750(a)
		}
		v, found, listed := meaning.first(a.Body(), path)
		if listed {
			return v
		}
		if v = transport.RFC6750(a); v == transport.Refused && found && a.Status == http.StatusUnauthorized { // F160
			return transport.Ambiguous
		}
		return v
	}
}

// Success returns a classifier for an API whose successes have a known form: in the JSON
// body, the value at path is one of values. path is as for [Lookup]. Without values,
// anything but null may be there. An answer that failures lets pass and that has another
// form is [transport.Inconclusive], so it never counts as an acceptance of the key. It
// need not be listed: the API may add errors at any time. Answers with the status
// 401, 403, 407, 429, or from 500 on are left to failures alone. At most
// [transport.MaxPeek] bytes of the body are read.
func Success(path string, values []string, failures transport.Classifier) transport.Classifier {
	return func(a *transport.Answer) transport.Verdict {
		v := failures(a)
		switch c := a.Status; {
		case v != transport.Passed, c == http.StatusUnauthorized, c == http.StatusForbidden, c == http.StatusProxyAuthRequired,
			c == http.StatusTooManyRequests, c >= http.StatusInternalServerError:
			return v
		}
		if text, ok := find(a.Body(), path); !ok || len(values) > 0 && !slices.Contains(values, text) {
			return transport.Inconclusive // F158
		}
		return v
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

// first returns the verdict of the first listed text at path in data. found reports
// whether there is any text.
func (m texts) first(data []byte, path string) (v transport.Verdict, found, listed bool) {
	for text := range values(data, path) {
		found = found || text != ""
		if v, listed = m.verdict(text); listed {
			break
		}
	}
	return v, found, listed
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
