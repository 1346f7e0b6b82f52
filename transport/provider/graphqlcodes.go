package provider

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/rollingkeys/rollingkeys/transport"
)

// GraphQLCodes returns a classifier that reads extensions.code of the errors in a
// GraphQL answer with status 200, 400, 401, 403 or 500. Letter case does not matter; a
// text that ends in "*" stands for all that begin with it. Of several errors, one that
// is listed as a refusal decides.
//
// RefusedUnapplied and Ambiguous hold where the answer is whole, which [transport.MaxPeek]
// may prevent, and has no "data" entry: execution had not begun. Else RefusedUnapplied
// is Refused, and Ambiguous is Inconclusive.
//
// An answer with errors that are not listed is decided as [transport.RFC6750] does, and
// Inconclusive where that has nothing to say: a 200 with errors is no acceptance of the key.
// Nor is a 200 of another type than JSON, such as a stream of events.
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
		if !bytes.Contains(body, []byte(`"errors"`)) {
			return v
		}
		if v == transport.Passed && !isObject(body) { // a batch, of several answers
			return transport.Inconclusive
		}
		answer := readGraphQL(body)
		if !answer.errors {
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

// ReplayQueries is a replay policy for [transport.WithReplay]: it allows what
// [transport.Replayable] allows, and a POST of a GraphQL query that holds no mutation.
// It reads the request's body, JSON with the document in "query", by GetBody, ahead of
// each POST and after each refusal. What it cannot read, such as a batch or a query that
// is named by its hash, it takes for a mutation. It is safe for concurrent use.
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
		if query != "" || dec.Decode(&query) != nil { // of two, servers take either
			return false
		}
	}
	// Without the keyword there is no mutation (GraphQL, section 2.3).
	return query != "" && !strings.Contains(query, "mutation")
}

// graphQL is what an answer says.
type graphQL struct {
	whole  bool // it is not cut off
	data   bool // it has the entry, be it null: execution had begun
	errors bool
	codes  []string
}

// verdict returns what the codes mean.
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

// readGraphQL reads the entries of an answer, which may be cut off.
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
			return g // null, or no errors of GraphQL's
		}
		for dec.More() {
			g.errors = true
			at, e := dec.InputOffset(), json.RawMessage(nil)
			if dec.Decode(&e) != nil { // cut off, but perhaps after the code
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

// isJSON reports whether a Content-Type is JSON, or built on it, such as
// application/graphql-response+json.
func isJSON(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	t = strings.ToLower(strings.TrimSpace(t))
	return t == "application/json" || strings.HasSuffix(t, "+json")
}
