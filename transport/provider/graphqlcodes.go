package provider

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/rollingkeys/rollingkeys/transport"
)

// GraphQLCodes returns a classifier that decides by extensions.code of the errors in a
// GraphQL answer with status 200, 400, 401, 403 or 500. Letter case is ignored. A text
// that ends in "*" matches all codes that begin with it. If there are several errors, a
// code that is listed as a refusal decides.
//
// The verdicts RefusedUnapplied and Ambiguous apply only if execution had not begun:
// the answer has no "data" entry and is not longer than [transport.MaxPeek]. Otherwise
// RefusedUnapplied becomes Refused, and Ambiguous becomes Inconclusive.
//
// An answer whose errors are not listed is classified like [transport.RFC6750], except
// that it is Inconclusive if it would pass: a 200 with errors is not an acceptance of
// the key, and one without data is not either. A 200 of another type than JSON, such as a stream of events, is not an
// acceptance either.
func GraphQLCodes(verdicts map[transport.Verdict][]string) transport.Classifier {
	meaning := newTexts(verdicts)
	return func(a *transport.Answer) transport.Verdict {
		v := transport.RFC6750(a)
		switch a.Status {
		case http.StatusOK, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusInternalServerError:
		default:
			return v
		}
		if t := a.Header.Get("Content-Type"); t != "" && !isJSON(t) {
			if a.Status == http.StatusOK {
				return transport.Inconclusive
			}
			return v
		}
		body := a.Body()
		if a.Status == http.StatusOK && len(body) == 0 {
			return transport.Inconclusive
		}
		mayFail := bytes.Contains(body, []byte(`"errors"`))
		if v == transport.Passed && mayFail && !isObject(body) { // a batch of several answers
			return transport.Inconclusive
		}
		answer := graphQL{}
		if mayFail {
			answer = readGraphQL(body)
		}
		if !answer.errors {
			if a.Status == http.StatusOK && v == transport.Passed && !hasData(body) { // F158
				return transport.Inconclusive
			}
			return v
		}
		if found, ok := answer.verdict(meaning); ok {
			return found
		}
		if v == transport.Passed {
			v = transport.Inconclusive
		}
		return v
	}
}

// ReplayQueries is a replay policy for [transport.WithReplay]. It allows what
// [transport.Replayable] allows, and a POST of a GraphQL query without a mutation.
// Before each POST and after each refusal it reads the request's body by GetBody: a
// JSON object with the document in "query". If it cannot read the document, as in a
// batch or a query named by its hash, it assumes a mutation. It is safe for concurrent
// use.
func ReplayQueries(req *http.Request, resp *http.Response, v transport.Verdict) bool {
	if transport.Replayable(req, resp, v) {
		return true
	}
	if req.Method != http.MethodPost {
		return false
	}
	data, err := transport.Body(req)
	if err != nil {
		return false
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return false
	}
	query := ""
	for dec.More() {
		name, _ := dec.Token()
		text, _ := name.(string)
		if !strings.EqualFold(text, "query") {
			if !skip(dec) {
				return false
			}
			continue
		}
		if query != "" || dec.Decode(&query) != nil { // if there are two, servers differ in which they take
			return false
		}
	}
	// A mutation must have the keyword (GraphQL, section 2.3).
	return query != "" && !strings.Contains(query, "mutation")
}

// hasData reports whether an answer, or the first of a batch, has data.
func hasData(body []byte) bool {
	_, one := find(body, "data")
	_, batch := find(body, "0.data")
	return one || batch
}

// graphQL is the content of an answer.
type graphQL struct {
	whole  bool // the answer is not cut off
	data   bool // it has a "data" entry, even null: execution had begun
	errors bool
	codes  []string
}

func (g graphQL) verdict(meaning texts) (verdict transport.Verdict, ok bool) {
	before := g.whole && !g.data
	for _, code := range g.codes {
		v, listed := meaning.verdict(code)
		switch {
		case !listed:
			continue
		case v == transport.RefusedUnapplied && !before:
			v = transport.Refused
		case v == transport.Ambiguous && !before:
			v = transport.Inconclusive
		}
		if v == transport.Refused || v == transport.RefusedUnapplied {
			return v, true
		}
		verdict, ok = v, true
	}
	return verdict, ok
}

// readGraphQL parses an answer, which may be cut off.
func readGraphQL(body []byte) (g graphQL) {
	dec := json.NewDecoder(bytes.NewReader(body))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return g
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return g
		}
		if name != "errors" {
			g.data = g.data || name == "data"
			if !skip(dec) {
				return g
			}
			continue
		}
		if tok, err := dec.Token(); err != nil || tok != json.Delim('[') {
			return g // null, or not a list of GraphQL errors
		}
		for dec.More() {
			g.errors = true
			at, e := dec.InputOffset(), json.RawMessage(nil)
			if dec.Decode(&e) != nil { // cut off; the code may come before the cut
				g.codes = append(g.codes, Lookup(bytes.TrimLeft(body[at:], ", \t\r\n"), "extensions.code"))
				return g
			}
			g.codes = append(g.codes, Lookup(e, "extensions.code"))
		}
		if _, err := dec.Token(); err != nil {
			return g
		}
	}
	_, err := dec.Token()
	g.whole = err == nil
	return g
}

// isJSON reports whether a Content-Type is JSON or based on JSON, such as
// application/graphql-response+json.
func isJSON(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	t = strings.ToLower(strings.TrimSpace(t))
	return t == "application/json" || strings.HasSuffix(t, "+json")
}
