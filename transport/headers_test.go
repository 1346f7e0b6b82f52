package transport_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
)

// datadog is the scheme of Datadog.
func datadog() transport.Scheme {
	return transport.Headers(map[string]string{"DD-API-KEY": "secret", "DD-APPLICATION-KEY": "application-key", "X-Org": "id"})
}

func threefold(version string) source.Key {
	k := key(version)
	k.Extra = map[string]source.Secret{"application-key": source.NewSecret(sentinel + "app-" + version)}
	return k
}

// The parts of a key arrive in their headers, all of one version. A request that falls
// back carries no part of the refused version. F26, F120
func TestHeadersCarryAKeyInParts(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		var mu sync.Mutex
		var seen []string
		srv := p.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, fmt.Sprint(r.Header["Dd-Api-Key"], r.Header["Dd-Application-Key"], r.Header["X-Org"]))
			if r.Header.Get("X-Org") != "id-v1" {
				w.WriteHeader(http.StatusUnauthorized)
			}
		}))
		two := newStore()
		two.set = source.Set{Complete: true, Keys: []source.Key{threefold("v2"), threefold("v1")}}
		rt := unbound(keep(t, two), datadog(), transport.WithBase(srv.base(t)))
		send(t, rt, get(t, srv.URL)).want(t, http.StatusOK, "v1", 2)
		mu.Lock()
		defer mu.Unlock()
		want := []string{"[rksentinel-v2] [rksentinel-app-v2] [id-v2]", "[rksentinel-v1] [rksentinel-app-v1] [id-v1]"}
		if !slices.Equal(seen, want) {
			t.Error("the attempts do not carry the parts of one version each")
		}
	})
}

// Prepare says which part of a key is missing or cannot be sent, and quotes none of
// them.
//
// F19, F120
func TestHeadersRefuseAKeyThatLacksAPart(t *testing.T) {
	spoilt := func(spoil func(*source.Key)) source.Key {
		k := threefold("v1")
		spoil(&k)
		return k
	}
	app := func(text string) func(*source.Key) {
		return func(k *source.Key) { k.Extra["application-key"] = source.NewSecret(text) }
	}
	for name, c := range map[string]struct {
		scheme transport.Scheme
		key    source.Key
		says   string
	}{
		"no secret":         {datadog(), spoilt(func(k *source.Key) { k.Secret = source.Secret{} }), `no "secret" for header DD-API-KEY`},
		"no id":             {datadog(), spoilt(func(k *source.Key) { k.ID = "" }), `no "id" for header X-Org`},
		"no extra":          {datadog(), key("v1"), `no "application-key" for header DD-APPLICATION-KEY`},
		"empty extra":       {datadog(), spoilt(app("")), `no "application-key"`},
		"CR LF in an extra": {datadog(), spoilt(app(sentinel + "\r\nX-Evil: 1")), `"application-key"`},
		"blank at the end":  {datadog(), spoilt(app(sentinel + " ")), `"application-key"`},
		"id not ASCII":      {datadog(), spoilt(func(k *source.Key) { k.ID = sentinel + "é" }), `"id"`},
		"no headers":        {transport.Headers(nil), threefold("v1"), "fields is empty"},
		"no field":          {transport.Headers(map[string]string{"X-Key": ""}), threefold("v1"), "X-Key"},
		"bad header name":   {transport.Headers(map[string]string{"X Key": "secret"}), threefold("v1"), "X Key"},
		"one header twice":  {transport.Headers(map[string]string{"X-Key": "secret", "x-key": "id"}), threefold("v1"), "-"},
	} {
		signer, err := c.scheme.Prepare(c.key)
		if signer != nil || !errors.Is(err, source.ErrUnusable) || !strings.Contains(fmt.Sprint(err), c.says) ||
			strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), sentinel) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// The caller's own credentials are found in the documented spelling and in net/http's.
// F47, F120
func TestHeadersNamesItsCredentials(t *testing.T) {
	for _, name := range []string{"DD-API-KEY", "Dd-Api-Key", "DD-APPLICATION-KEY", "Dd-Application-Key", "X-Org"} {
		req := get(t, "https://api.example.com/")
		req.Header[name] = []string{dummy}
		_, err := try(unbound(keep(t, newStore("v1")), datadog(), transport.WithBase(stub{})), req)
		if !errors.Is(err, transport.ErrCredential) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A change of one request, or of the map that made the scheme, does not change other
// requests. fmt does not print what a signer holds. F93, F120
func TestHeadersShareNothingThatCanBeChanged(t *testing.T) {
	fields := map[string]string{"X-Key": "secret", "X-Id": "id"}
	scheme := transport.Headers(fields)
	fields["X-Key"] = "id"
	delete(fields, "X-Id")
	signer, err := scheme.Prepare(threefold("v1"))
	if err != nil {
		t.Fatal(err)
	}
	first := get(t, "https://api.example.com")
	second := get(t, "https://api.example.com")
	for _, req := range []*http.Request{first, second} {
		if err := signer.Sign(req); err != nil {
			t.Fatal(err)
		}
		req.Header["X-Key"] = append(req.Header["X-Key"], "more")
	}
	third := get(t, "https://api.example.com")
	if err := signer.Sign(third); err != nil {
		t.Fatal(err)
	}
	if len(third.Header) != 2 || !slices.Equal(third.Header["X-Key"], []string{sentinel + "v1"}) || !slices.Equal(third.Header["X-Id"], []string{"id-v1"}) {
		t.Error("a request's headers are not the key's")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if strings.Contains(fmt.Sprintf(verb, signer), sentinel) {
			t.Errorf("%s prints the secret", verb)
		}
	}
}
