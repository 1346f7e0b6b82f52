package coinbasecdp_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi/exchange"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider/coinbasecdp"
)

// both is a source that lists two keys, the newer first.
type both [2]source.Key

func (b both) Read(context.Context) (source.Set, error) {
	return source.Set{Keys: b[:], Complete: true}, nil
}

// rewrite changes requests after they were signed.
type rewrite struct {
	base   http.RoundTripper
	change func(*http.Request)
}

func (r rewrite) RoundTrip(req *http.Request) (*http.Response, error) {
	if r.change != nil { // nil leaves them alone
		r.change(req)
	}
	return r.base.RoundTrip(req)
}

// A desk is a mock exchange with two keys, and a client that has both.
type desk struct {
	*exchange.Exchange
	api    *mockapi.API
	client *http.Client
}

// newDesk returns a desk whose requests pass through change once they are signed.
func newDesk(t *testing.T, kind exchange.Kind, change func(*http.Request)) *desk {
	t.Helper()
	e, err := exchange.New("coinbasecdp", exchange.WithKind(kind))
	if err != nil {
		t.Fatal(err)
	}
	api := mockapi.New(t, e.Options()...)
	k1, k2 := api.Issue(mockapi.Spec{}), api.Issue(mockapi.Spec{})
	keys, err := ring.Keep(t.Context(), both{k2, k1}, ring.WithLogger(nil), ring.WithRefusalWait(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	p := coinbasecdp.Profile()
	return &desk{e, api, &http.Client{Transport: transport.New(keys, p.Scheme, transport.WithClassifier(p.Classifier),
		transport.WithOrigin(api.URL()), transport.WithBase(rewrite{api.Client().Transport, change}))}}
}

// place sends one order and reports whether it was taken.
func (d *desk) place(t *testing.T, id string) bool {
	t.Helper()
	req, err := d.Place(t.Context(), d.api.URL(), id)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return d.Confirmed(resp.StatusCode, body, id)
}

var kinds = map[string]exchange.Kind{"ECDSA": exchange.ECDSA, "Ed25519": exchange.Ed25519}

// A mock that verifies JWTs with the standard library alone takes orders signed
// with either kind of key, and an order falls back when the newer key is dead: it
// is in the books once. F49, F67
func TestMockExchangeTakesOrders(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, kind, nil)
			if !d.place(t, "first") || !d.place(t, "second") {
				t.Error("a good order was refused")
			}
			if err := d.api.Revoke("v2"); err != nil {
				t.Fatal(err)
			}
			if !d.place(t, "third") {
				t.Error("an order did not fall back")
			}
			var books []string
			for _, o := range d.Orders() {
				books = append(books, o.ClientID+" "+o.Version)
			}
			if got, want := fmt.Sprint(books), "[first v2 second v2 third v1]"; got != want {
				t.Errorf("books %s, want %s", got, want)
			}
		})
	}
}

// What is changed after it was signed is refused, and so is a token that comes twice.
func TestMockExchangeRefuses(t *testing.T) {
	var token string
	for name, kind := range kinds {
		for what, change := range map[string]func(*http.Request){
			"method":    func(r *http.Request) { r.Method = http.MethodPut },
			"path":      func(r *http.Request) { u := *r.URL; u.Path += "/2"; r.URL = &u },
			"host":      func(r *http.Request) { r.Host = "localhost:1" },
			"signature": func(r *http.Request) { r.Header.Set("Authorization", flip(r.Header.Get("Authorization"))) },
			"no token":  func(r *http.Request) { r.Header.Del("Authorization") },
		} {
			d := newDesk(t, kind, change)
			if d.place(t, "changed") || len(d.Orders()) != 0 {
				t.Errorf("%s, %s: taken", name, what)
			}
			for _, a := range d.api.Requests() {
				if a.Accepted {
					t.Errorf("%s, %s: accepted", name, what)
				}
			}
		}
		again := false
		d := newDesk(t, kind, func(r *http.Request) {
			if again {
				r.Header.Set("Authorization", token)
			}
			token = r.Header.Get("Authorization")
		})
		if !d.place(t, "first") {
			t.Error("a good order was refused")
		}
		if again = true; d.place(t, "second") {
			t.Errorf("%s: a token was taken twice", name)
		}
	}
}

// flip changes one character of a token's signature.
func flip(token string) string {
	i := strings.LastIndexByte(token, '.') + 10
	was := token[i]
	is := byte('A')
	if was == is {
		is = 'B'
	}
	return token[:i] + string(is) + token[i+1:]
}
