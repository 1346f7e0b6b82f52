package transport_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// F43, F57, F95: a response, its request and an error never contain the secret.
func TestNoSecretInResponsesAndErrors(t *testing.T) {
	leaks := func(t *testing.T, what string, v any) {
		t.Helper()
		for _, verb := range []string{"%v", "%+v", "%#v"} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, sentinel) {
				t.Errorf("%s printed with %s holds the secret", what, verb)
			}
		}
	}
	for name, scheme := range map[string]transport.Scheme{
		"bearer": transport.Bearer(), "header": transport.Header("X-Api-Key"), "query": transport.Query("key"),
	} {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, p protocol) {
				srv := p.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					switch r.URL.Path {
					case "/bad-location":
						w.Header().Set("Location", "https://[::1:bad")
						w.WriteHeader(http.StatusFound)
					case "/loop":
						http.Redirect(w, r, "/loop", http.StatusFound)
					case "/cut":
						panic(http.ErrAbortHandler)
					case "/refused":
						w.WriteHeader(http.StatusUnauthorized)
					}
				}))
				rt := unbound(keep(t, newStore("v1"), ring.WithRefusalWait(0)), scheme, transport.WithBase(srv.base(t)))
				for _, path := range []string{"/", "/refused", "/bad-location", "/loop", "/cut"} {
					resp, err := (&http.Client{Transport: rt}).Do(get(t, srv.URL+path))
					leaks(t, path+": the error", err)
					leaks(t, path+": the unwrapped error", errors.Unwrap(err))
					if resp != nil {
						resp.Body.Close() // so that fmt can reach it
						leaks(t, path+": the response", resp)
						leaks(t, path+": its request", resp.Request)
						leaks(t, path+": its URL", resp.Request.URL)
						leaks(t, path+": its header", resp.Request.Header)
					}
				}
			})
		})
	}
	// The error of the base may quote the request.
	for name, f := range map[string]func(*http.Request) error{
		"url.Error":  func(r *http.Request) error { return &url.Error{Op: "Get", URL: r.URL.String(), Err: errBase} },
		"value":      func(r *http.Request) error { return valueError{r.URL.String()} },
		"the header": func(r *http.Request) error { return fmt.Errorf("%w: %v", errBase, r.Header) },
	} {
		rt := unbound(keep(t, newStore("v1")), transport.Query("key"), transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) {
			return nil, f(r)
		})))
		_, err := rt.RoundTrip(get(t, "https://api.example.com/"))
		leaks(t, "an error of the base: "+name, err)
		if name == "url.Error" && !errors.Is(err, errBase) {
			t.Errorf("%v is not the base's error any more", err)
		}
	}
}

// If the base quotes a part of the key in any form, the error does not contain it: a
// secret escaped for a query or a path, a passphrase.
//
// F57, F95
func TestErrorsOfTheBaseQuoteNoPartOfTheKey(t *testing.T) {
	k := source.Key{
		Version: "v1", Secret: source.NewSecret(sentinel + "a+b/c="),
		Extra: map[string]source.Secret{"passphrase": source.NewSecret(sentinel + "pass")},
	}
	inPath := transport.SchemeFunc(func(k source.Key) (transport.Signer, error) {
		return transport.SignerFunc(func(r *http.Request) error {
			r.URL = r.URL.JoinPath(url.PathEscape(k.Secret.Expose()))
			return nil
		}), nil
	})
	phrase := transport.SchemeFunc(func(k source.Key) (transport.Signer, error) {
		return transport.SignerFunc(func(r *http.Request) error {
			r.Header.Set("X-Passphrase", k.Extra["passphrase"].Expose())
			return nil
		}), nil
	})
	for name, scheme := range map[string]transport.Scheme{"query": transport.Query("key"), "path": inPath, "passphrase": phrase} {
		t.Run(name, func(t *testing.T) {
			quoted := false
			rt := unbound(keep(t, source.Static(k)), scheme, transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) {
				err := &url.Error{Op: "Get", URL: r.URL.String(), Err: fmt.Errorf("%w: %v", errBase, r.Header)}
				quoted = strings.Contains(err.Error(), sentinel)
				return nil, err
			})))
			_, err := rt.RoundTrip(get(t, "https://api.example.com/"))
			if !quoted || !errors.Is(err, errBase) || strings.Contains(err.Error(), sentinel) {
				t.Errorf("quoted %v, error %v", quoted, err)
			}
		})
	}
}

type valueError struct{ text string }

func (e valueError) Error() string { return e.text }
