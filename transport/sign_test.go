package transport_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// hooked is an HTTP library that only has hooks: it sends the result of the hook
// before, and sends it again if the hook after says so.
func hooked(t *testing.T, rt *transport.Transport, base http.RoundTripper, make func() *http.Request) (resp *http.Response, versions []string) {
	t.Helper()
	req := make()
	signed, err := rt.Sign(req)
	if err != nil {
		t.Fatal(err)
	}
	for {
		versions = append(versions, signed.Version())
		if resp, err = base.RoundTrip(req); err != nil {
			t.Fatal(err)
		}
		if len(versions) > 10 || !signed.Done(resp, err) {
			return resp, versions
		}
		req = make()
		if signed.Again(req) != nil {
			return resp, versions
		}
	}
}

// A request that is signed in a hook is sent again with the other key. The classifier
// and the caller get the body, and the ring learns the outcome.
func TestSign(t *testing.T) {
	protocols(t, func(t *testing.T, p protocol) {
		g := newGate("v1")
		srv := p.serve(t, g)
		keys := keep(t, newStore("v2", "v1"))
		base := srv.base(t)
		rt := unbound(keys, transport.Bearer(), transport.WithOverride())
		order := func() *http.Request {
			req := request(t, http.MethodPost, srv.URL, nil)
			rewinding(req, &plainReader{data: []byte("order")}, 5)
			req.Header.Set("Authorization", "Bearer "+dummy)
			return req
		}
		resp, versions := hooked(t, rt, base, order)
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || string(body) != "order" || strings.Join(versions, " ") != "v2 v1" {
			t.Errorf("status %d, body %q, versions %q", resp.StatusCode, body, versions)
		}
		st := keys.Status()
		if st.InUse != "v1" || st.Versions[0].State != ring.StateRefused || st.Versions[1].Accepted != 1 ||
			st.Versions[0].InFlight+st.Versions[1].InFlight != 0 {
			t.Errorf("%+v", st.Versions)
		}
		g.accept()
		resp, versions = hooked(t, rt, base, order)
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized || len(versions) > 4 {
			t.Errorf("status %d, versions %q", resp.StatusCode, versions)
		}
	})
}

func TestSignOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := quiet(t, newStore("v2", "v1"))
		verdict := transport.Passed
		rt := transport.New(keys, transport.Bearer(), transport.WithPassThrough(), transport.WithOrigin("https://api.example.com"),
			transport.WithClassifier(func(a *transport.Answer) transport.Verdict { _ = a.Body(); return verdict }))
		sign := func() *transport.Signed {
			t.Helper()
			s, err := rt.Sign(&http.Request{URL: get(t, "https://api.example.com").URL}) // no header map
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		v2 := func() ring.VersionStatus { return keys.Status().Versions[0] }
		for _, verdict = range []transport.Verdict{transport.Passed, transport.Inconclusive, transport.Ambiguous, transport.ClockSkew} {
			s := sign()
			if n := v2().InFlight; n != 1 {
				t.Errorf("%d in flight", n)
			}
			resp := status(http.StatusOK)
			resp.Body = io.NopCloser(bytes.NewBufferString("whole"))
			if again := s.Done(resp, nil); again != (verdict == transport.Ambiguous) {
				t.Errorf("verdict %d: again %v", verdict, again)
			}
			s.End()
			if s.Done(resp, nil) || s.Again(get(t, "https://api.example.com")) == nil {
				t.Error("a second outcome counts")
			}
			if body, _ := io.ReadAll(resp.Body); string(body) != "whole" {
				t.Errorf("body %q", body)
			}
		}
		if s := sign(); s.Done(nil, errBase) || s.Done(status(200), nil) {
			t.Error("again after an error")
		}
		if v := v2(); v.Accepted != 1 || v.Refused != 0 || v.InFlight != 0 || v.Requests != 5 {
			t.Errorf("%+v", v)
		}
		own := get(t, "https://api.example.com")
		header("Authorization", "Bearer "+dummy)(own)
		s, err := rt.Sign(own)
		if err != nil || s.Version() != transport.CallersKey || own.Header.Get("Authorization") != "Bearer "+dummy {
			t.Errorf("%v, version %q", err, s.Version())
		}
		if n := keys.Status().Callers.InFlight; n != 1 || s.Done(status(http.StatusUnauthorized), nil) || keys.Status().Callers.InFlight != 0 {
			t.Error("a caller's own key is not counted")
		}
		if _, err := rt.Sign(get(t, "https://elsewhere.example")); !errors.Is(err, transport.ErrOrigin) {
			t.Errorf("error %v", err)
		}
		var none *transport.Signed
		if none.Done(nil, nil) {
			t.Error("nothing is sent again")
		}
	})
}

// If a scheme panics, only that request fails.
//
// F97
func TestSignPanics(t *testing.T) {
	keys := quiet(t, newStore("v1"))
	rt := unbound(keys, transport.SchemeFunc(func(source.Key) (transport.Signer, error) {
		return transport.SignerFunc(func(*http.Request) error { panic(sentinel) }), nil
	}))
	if _, err := rt.Sign(get(t, "https://api.example.com")); !errors.Is(err, source.ErrUnusable) || strings.Contains(err.Error(), sentinel) {
		t.Errorf("error %v", err)
	}
	if n := keys.Status().Current.InFlight; n != 0 {
		t.Errorf("%d in flight", n)
	}
}

// An observer of the transport is called for each request that was sent, with or
// without an Observation in its context. If it panics, the request does not fail.
func TestObserver(t *testing.T) {
	keys := quiet(t, newStore("v2", "v1"))
	type seen struct {
		path, version string
		attempts      int
		moved         bool
	}
	var all []seen
	rt := transport.New(keys, transport.Bearer(), transport.WithBase(takes("v1")), transport.WithOrigin("https://api.example.com"),
		transport.WithObserver(func(r *http.Request, o *transport.Observation) {
			all = append(all, seen{r.URL.Path, o.Version(), o.Attempts(), o.Moved()})
			panic("an observer of somebody's own")
		}))
	trip := func(req *http.Request) {
		if resp, err := rt.RoundTrip(req); err == nil {
			resp.Body.Close()
		}
	}
	trip(get(t, "https://api.example.com/1"))
	ctx, o := transport.Observe(t.Context())
	trip(get(t, "https://api.example.com/2").WithContext(ctx))
	trip(get(t, "https://elsewhere.example/3"))
	want := []seen{{"/1", "v1", 2, true}, {"/2", "v1", 1, false}}
	if len(all) != 2 || all[0] != want[0] || all[1] != want[1] || o.Attempts() != 1 {
		t.Errorf("seen %v, want %v", all, want)
	}
}
