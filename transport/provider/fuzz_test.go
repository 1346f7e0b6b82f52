package provider_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// F65, F112: no answer, however broken, makes a classifier panic or changes the answer.
// An unknown outcome passes. The caller gets the whole body, even if it arrives in
// pieces.
func FuzzClassifiers(f *testing.F) {
	for _, p := range refusals {
		for _, a := range p.answers {
			f.Add(a.status, a.body, "Fri, 31 Dec 1999 23:59:59 GMT")
		}
	}
	keys, err := ring.Keep(f.Context(), two{base64Secret}, ring.WithLogger(nil), ring.WithRefusalWait(0))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { keys.Close() })
	req := newRequest(f, "GET", "https://api.example.com/", "", "")
	var answer inPieces
	transports := make(map[string]http.RoundTripper)
	for name, p := range refusals {
		transports[name] = transport.New(keys, transport.Header("X-Key"), transport.WithClassifier(p.classify), transport.WithBase(&answer), transport.WithOrigin("https://api.example.com"),
			transport.WithReplay(func(*http.Request, *http.Response, transport.Verdict) bool { return false }))
	}
	f.Fuzz(func(t *testing.T, status int, body, header string) {
		answer = inPieces{status, header, body}
		for name, p := range refusals {
			resp, err := transports[name].RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(resp.Body); err != nil || string(got) != body {
				t.Errorf("%s: %d of %d bytes reach the caller, %v", name, len(got), len(body), err)
			}
			resp.Body.Close()
			data := []byte(body)
			h := http.Header{"Www-Authenticate": {header}}
			got := p.classify(transport.NewAnswer(status, h, data))
			if string(data) != body || h.Get("Www-Authenticate") != header {
				t.Errorf("%s changed the answer", name)
			}
			if status > 500 && got != transport.Passed {
				t.Errorf("%s: verdict %d on status %d", name, got, status)
			}
		}
	})
}

// inPieces answers with a body that arrives byte by byte.
type inPieces struct {
	status       int
	header, body string
}

func (p *inPieces) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: p.status, Header: http.Header{"Www-Authenticate": {p.header}}, ContentLength: int64(len(p.body)),
		Body: io.NopCloser(iotest.OneByteReader(strings.NewReader(p.body))), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// F95, F112: no key and no request makes a scheme panic, put the secret into an error,
// or send a body that does not match its Content-Length. FuzzSigned of the mock
// exchanges checks that what is signed is what is sent.
func FuzzSigners(f *testing.F) {
	f.Add("id", "c2VjcmV0LXNlY3JldA==", "phrase", "POST", "/0/private/x", "a=1", "b=2", "")
	f.Add("id", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "phrase", "GET", "/api/v3/order", "timestamp=%zz", `{"a":1}`, "application/json")
	f.Add("i\nd", "", "", "", "", "&&=&", "{", "text/plain")
	f.Fuzz(func(t *testing.T, id, secret, phrase, method, path, query, body, contentType string) {
		key := source.Key{ID: id, Secret: source.NewSecret(secret), Extra: map[string]source.Secret{"passphrase": source.NewSecret(phrase)}}
		leaks := func(err error) bool {
			return len(secret) > 12 && strings.Contains(err.Error(), secret) || len(phrase) > 12 && strings.Contains(err.Error(), phrase)
		}
		for name, p := range profiles() {
			if p.Login != nil {
				if _, err := p.Login(key); err != nil && leaks(err) {
					t.Errorf("%s: login: %v", name, err)
				}
			}
			signer, err := p.Scheme.Prepare(key)
			if err != nil {
				if leaks(err) {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			req := newRequest(t, "POST", "https://api.example.com/", query, body)
			req.URL.Path, req.Method = path, method
			if contentType != "" {
				req.Header.Set("Content-Type", contentType)
			}
			if err := signer.Sign(req); err != nil {
				if leaks(err) {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			bodyOf(t, req) // compares the length
			for header, values := range req.Header {
				if header != "Content-Type" && strings.ContainsAny(strings.Join(values, ""), "\r\n\x00") {
					t.Errorf("%s: %s cannot be sent", name, header)
				}
			}
		}
	})
}
