package provider_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// A batch is an array of answers.
//
// F113
func TestGraphQLBatch(t *testing.T) {
	c := provider.GraphQL(transport.Bearer()).Classifier
	body := `[{"errors":[{"message":"no","extensions":{"code":"UNAUTHENTICATED"}}]}]`
	v := c(transport.NewAnswer(200, http.Header{"Content-Type": {"application/json"}}, []byte(body)))
	if v == transport.Passed {
		t.Error("a batch that was refused passes for an acceptance of the key")
	}
}

// JSON field names are compared exactly, and the same length does not prove that
// nothing was removed.
//
// F113
func TestStripOfSameLength(t *testing.T) {
	const own = `{"nonce":1,"<<":2}`
	strip := provider.Kraken().Scheme.Traits().Strip
	req, _ := http.NewRequest(http.MethodPost, "https://api.kraken.com/0/private/Balance", strings.NewReader(own))
	if err := strip(req); err != nil {
		t.Fatal(err)
	}
	b, _ := transport.Body(req)
	if strings.Contains(string(b), "nonce") {
		t.Errorf("the caller's nonce stays: %s", b)
	}
}

// The other fields stay unchanged.
//
// F113
func TestStripKeepsTheRest(t *testing.T) {
	strip := provider.Kraken().Scheme.Traits().Strip
	for _, own := range []string{`{"a": 1, "b": 2}`, `{"<":1.0}`} {
		req, _ := http.NewRequest(http.MethodPost, "https://api.kraken.com/0/private/Balance", strings.NewReader(own))
		if err := strip(req); err != nil {
			t.Fatal(err)
		}
		if b, _ := transport.Body(req); string(b) != own {
			t.Errorf("%s became %s", own, b)
		}
	}
}

// If a document has two fields of the same name and one holds a mutation, it counts as
// a mutation.
//
// F113
func TestReplayQueriesOfTwoNames(t *testing.T) {
	for _, body := range []string{`{"query":"mutation{pay}","query":"{a}"}`, `{"query":"mutation{pay}","Query":"{a}"}`} {
		req, _ := http.NewRequest(http.MethodPost, "https://a.example", strings.NewReader(body))
		if provider.ReplayQueries(req, &http.Response{StatusCode: 200}, transport.Refused) {
			t.Errorf("%s is sent again", body)
		}
	}
}
