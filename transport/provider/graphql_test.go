package provider_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// graphQLAnswer sends a POST with the body to a server that refuses v2 with the answer.
// It returns the answer that the caller gets and the number of attempts.
func graphQLAnswer(t *testing.T, refusal, body string, opts ...transport.Option) (got string, attempts int, keys *ring.Ring) {
	t.Helper()
	mock := mockapi.New(t, mockapi.WithRefusal(mockapi.Refusal{Status: 200, Body: refusal, Header: http.Header{"Content-Type": {"application/json"}}}),
		mockapi.WithHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"data":{"a":1}}`) })))
	v1 := mock.Issue(mockapi.Spec{})
	v2 := mock.Issue(mockapi.Spec{Inactive: true})
	keys, err := ring.Keep(context.WithoutCancel(t.Context()), newShelf(v2, v1), ring.WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	rt := provider.GraphQL(transport.Bearer(), mock.URL()).Transport(keys, append(opts, transport.WithBase(mock.Client().Transport))...)
	resp, err := (&http.Client{Transport: rt}).Post(mock.URL()+"/graphql", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data), len(mock.Requests()), keys
}

const (
	aQuery    = `{"query":"{a}"}`
	aMutation = `{"query":"mutation { add { id } }"}`
)

// A mutation is sent again if the answer says that execution had not begun. It is not
// if a resolver may have run. A query is, if the caller allows it.
//
// F67, F120
func TestGraphQLSendsAMutationAgainBeforeExecutionOnly(t *testing.T) {
	const before, within = `{"errors":[{"extensions":{"code":"UNAUTHENTICATED"}}]}`, `{"errors":[{"path":["b"],"extensions":{"code":"UNAUTHENTICATED"}}],"data":null}`
	queries := transport.WithReplay(provider.ReplayQueries)
	for name, c := range map[string]struct {
		refusal, body string
		opts          []transport.Option
		attempts      int
	}{
		"before, mutation":          {before, aMutation, nil, 2},
		"before, mutation, queries": {before, aMutation, []transport.Option{queries}, 2},
		"within, mutation":          {within, aMutation, nil, 1},
		"within, mutation, queries": {within, aMutation, []transport.Option{queries}, 1},
		"within, query":             {within, aQuery, nil, 1},
		"within, query, queries":    {within, aQuery, []transport.Option{queries}, 2},
	} {
		want := c.refusal
		if c.attempts == 2 {
			want = `{"data":{"a":1}}`
		}
		if got, attempts, _ := graphQLAnswer(t, c.refusal, c.body, c.opts...); got != want || attempts != c.attempts {
			t.Errorf("%s: %d attempts, %s", name, attempts, got)
		}
	}
}

// The caller gets a 200 with other errors, which is not an acceptance of the key. F120
func TestGraphQLErrorsAreNoAcceptance(t *testing.T) {
	const denied = `{"errors":[{"extensions":{"code":"FORBIDDEN"}}],"data":{"a":1}}`
	got, attempts, keys := graphQLAnswer(t, denied, aMutation)
	if s := keys.Status(); got != denied || attempts != 1 || s.Current.Accepted != 0 || s.Current.Refused != 0 {
		t.Errorf("%d attempts, %s; %d times accepted, %d refused", attempts, got, s.Current.Accepted, s.Current.Refused)
	}
}

// The classifier does not wait for a stream. An answer that is cut off is neither an
// acceptance nor a refusal unless the part before the cut proves it. F120
func TestGraphQLAnswersOfOtherKinds(t *testing.T) {
	c := provider.GraphQL(nil).Classifier
	const refusal = `{"errors":[{"extensions":{"code":"UNAUTHENTICATED"}}]}`
	for contentType, want := range map[string]transport.Verdict{
		"application/json": unapplied, "application/graphql-response+json; charset=utf-8": unapplied, "Application/JSON": unapplied, "": unapplied,
		"text/event-stream": inconclusive, "multipart/mixed; boundary=x": inconclusive, "text/html": inconclusive,
	} {
		if got := c(transport.NewAnswer(200, http.Header{"Content-Type": {contentType}}, []byte(refusal))); got != want {
			t.Errorf("%s: verdict %d, want %d", contentType, got, want)
		}
	}
	if got := c(transport.NewAnswer(403, http.Header{"Content-Type": {"text/html"}}, []byte(refusal))); got != passed {
		t.Errorf("a firewall's page: verdict %d", got)
	}
	long := strings.Repeat("x", transport.MaxPeek)
	for body, want := range map[string]transport.Verdict{
		`{"errors":[{"extensions":{"code":"UNAUTHENTICATED","trace":"` + long + `"}}]}`:                  refused,
		`{"errors":[{"message":"a"}, {"extensions":{"code":"UNAUTHENTICATED","trace":"` + long + `"}}]}`: refused,
		`{"errors":[{"trace":"` + long + `","extensions":{"code":"UNAUTHENTICATED"}}]}`:                  inconclusive, // the code is beyond MaxPeek
		`{"errors":[{"extensions":{"code":"UNAUTHENTICATED"}},{"message":"` + long + `"}]}`:              refused,
		`{"data":{"a":"` + long + `"},"errors":[{"extensions":{"code":"UNAUTHENTICATED"}}]}`:             passed, // beyond MaxPeek
		strings.Repeat("[", 10000) + `"errors"`:                                                          inconclusive,
		`{"errors":[` + strings.Repeat("[", 10000):                                                       inconclusive,
		`{"a":` + strings.Repeat(`{"a":`, 2000) + `1` + strings.Repeat("}", 2000) + refusal:              inconclusive, // F158: no data
		`{"message":"unauthorized"}`:                                                                     inconclusive, `{"data":null}`: inconclusive, `[{"data":{}},{"data":{}}]`: passed,
	} {
		if got := c(transport.NewAnswer(200, nil, []byte(body))); got != want {
			t.Errorf("%.60s: verdict %d, want %d", body, got, want)
		}
	}
}

// The codes of a custom list are read in the same way. F120
func TestGraphQLCodes(t *testing.T) {
	c := provider.GraphQLCodes(map[transport.Verdict][]string{
		unapplied: {"TOKEN_*"}, inconclusive: {"TOKEN_SCOPE"}, clock: {"SKEWED"}, refused: {"LATE"}, passed: {"NOT_FOUND"},
	})
	for code, want := range map[string]transport.Verdict{
		"token_expired": unapplied, "TOKEN_SCOPE": inconclusive, "SKEWED": clock, "LATE": refused, "NOT_FOUND": passed, "UNAUTHENTICATED": inconclusive,
	} {
		if got := c(transport.NewAnswer(200, nil, []byte(`{"errors":[{"extensions":{"code":"`+code+`"}}]}`))); got != want {
			t.Errorf("%s: verdict %d, want %d", code, got, want)
		}
	}
}

// ReplayQueries treats a document as a query only if it cannot be anything else. F67,
// F120
func TestReplayQueries(t *testing.T) {
	for body, want := range map[string]bool{
		aQuery: true, `{"query":"query Q { a }","variables":{"a":"mutation"}}`: true, `{"operationName":"M","query":"query Q{a} fragment F on A{b}"}`: true,
		aMutation: false, `{"query":"query Q{a} mutation M{b}","operationName":"M"}`: false, `{"query":"\u006dutation{b}"}`: false,
		`[{"query":"{a}"}]`: false, `{"extensions":{"persistedQuery":{"sha256Hash":"x"}}}`: false, `{"query":""}`: false, `{"query":`: false, "": false,
	} {
		req := newRequest(t, "POST", "https://api.example.com/graphql", "", body)
		resp := &http.Response{StatusCode: 200}
		if got := provider.ReplayQueries(req, resp, refused); got != want {
			t.Errorf("%s: sent again: %v", body, got)
		}
		if !provider.ReplayQueries(req, resp, unapplied) {
			t.Errorf("%s: not sent again though it was not carried out", body)
		}
	}
	req := newRequest(t, "POST", "https://api.example.com/graphql", "", aQuery)
	req.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("gone") }
	if provider.ReplayQueries(req, &http.Response{StatusCode: 200}, refused) {
		t.Error("a body that cannot be read is a query")
	}
	for method, want := range map[string]bool{"GET": true, "PUT": false} {
		req := newRequest(t, method, "https://api.example.com/graphql", "query={a}", "")
		if got := provider.ReplayQueries(req, &http.Response{StatusCode: 200}, refused); got != want {
			t.Errorf("%s: sent again: %v", method, got)
		}
	}
}
