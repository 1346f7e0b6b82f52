package provider_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// The token that a client has put into its form never reaches Slack. Without an option
// the request fails. With WithOverride the ring's token is sent in the header of each
// attempt, and the rest of the form is unchanged.
//
// F113, F120
func TestSlackTakesTheTokenOutOfForms(t *testing.T) {
	mock := mockapi.New(t, mockapi.WithCredentialsLogged(), mockapi.WithRefusal(mockapi.Refusal{
		Status: 200, Body: `{"ok":false,"error":"token_revoked"}`, Header: http.Header{"Content-Type": {"application/json"}}, ReadBody: true,
	}), mockapi.WithHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.PostForm.Has("token") || r.PostForm.Encode() != "channel=C1&text=a+b" {
			t.Errorf("the form is not what is due, %v", err)
		}
		_, _ = io.WriteString(w, `{"ok":true}`)
	})))
	v1 := mock.Issue(mockapi.Spec{})
	v2 := mock.Issue(mockapi.Spec{Inactive: true})
	keys, err := ring.Keep(t.Context(), newShelf(v2, v1), ring.WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	post := func(form string, opts ...transport.Option) (body string, seen *transport.Observation, err error) {
		t.Helper()
		rt := provider.Slack().Transport(keys, append(opts, transport.WithOrigin(mock.URL()), transport.WithBase(mock.Client().Transport))...)
		ctx, seen := transport.Observe(t.Context())
		req := newRequest(t, "POST", mock.URL()+"/api/chat.postMessage", "", form).WithContext(ctx)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := (&http.Client{Transport: rt}).Do(req)
		if err != nil {
			return "", seen, err
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		return string(data), seen, err
	}
	const form = "channel=C1&text=a+b&token=sentinel-dummy"
	if _, _, err := post(form); !errors.Is(err, transport.ErrCredential) || strings.Contains(err.Error(), "sentinel") {
		t.Errorf("without an option: %v", err)
	}
	if n := len(mock.Requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
	for _, c := range []struct {
		form string
		opts []transport.Option
	}{{form, []transport.Option{transport.WithOverride()}}, {"channel=C1&token=&text=a+b", []transport.Option{transport.WithOverride()}}, {"channel=C1&text=a+b", nil}} {
		body, seen, err := post(c.form, c.opts...)
		if err != nil || body != `{"ok":true}` || seen.Version() != "v1" {
			t.Errorf("%s, %v; version %s, %d attempts", body, err, seen.Version(), seen.Attempts())
		}
	}
	length := int64(len("channel=C1&text=a+b"))
	if n := len(mock.Requests()); n < 4 {
		t.Errorf("%d attempts", n)
	}
	for i, a := range mock.Requests() {
		key := map[string]source.Key{"v1": v1, "v2": v2}[a.Version]
		if a.Header.Get("Authorization") != "Bearer "+key.Secret.Expose() || a.BodyBytes != length || a.ContentLength != length {
			t.Errorf("attempt %d: version %q, %d bytes of %d", i+1, a.Version, a.BodyBytes, a.ContentLength)
		}
	}
	if s := keys.Status(); s.Current.Accepted != 0 {
		t.Error("a 200 that refuses counts as an acceptance")
	}
}

// A form that cannot be read twice is not sent: it may hold a token. F33, F120
func TestSlackSendsNoFormThatItCannotRead(t *testing.T) {
	keys, err := ring.Keep(t.Context(), newShelf(pair("sentinel-k")), ring.WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	base := trips(func(*http.Request) (*http.Response, error) {
		t.Error("the form was sent")
		return nil, http.ErrServerClosed
	})
	override := []transport.Option{transport.WithOverride(), transport.WithBase(base)}
	for name, c := range map[string]struct {
		method string
		opts   []transport.Option
	}{
		"no option": {"chat.postMessage", []transport.Option{transport.WithBase(base)}},
		"override":  {"chat.postMessage", override}, "no key is due": {"oauth.v2.exchange", override},
	} {
		req := newRequest(t, "POST", "https://slack.com/api/"+c.method, "", "")
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader("token=sentinel-dummy")), -1
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		_, err := provider.Slack().Transport(keys, c.opts...).RoundTrip(req)
		if !errors.Is(err, transport.ErrBody) || strings.Contains(err.Error(), "sentinel") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The scheme names all places of a token, and the methods that take no token or another
// one.
//
// F47, F120
func TestSlackNamesItsCredentials(t *testing.T) {
	traits := provider.Slack().Scheme.Traits()
	if !slices.Equal(traits.Headers, []string{"Authorization"}) || !slices.Equal(traits.Params, []string{"token"}) ||
		!slices.Equal(traits.Fields, []string{"token"}) {
		t.Error("a place is missing")
	}
	for path, want := range map[string]bool{
		"/api/chat.postMessage": true, "/api/auth.test": true, "/files-pri/T1-F1/api.test": true, "/upload/v1/x": true, "/api/oauth.v2.access.x": true,
		"/api/oauth.v2.access": false, "/api/openid.connect.token": false, "/api/apps.connections.open": false, "/api/api.test": false,
	} {
		if got := traits.NeedsKey(newRequest(t, "POST", "https://slack.com"+path, "", "")); got != want {
			t.Errorf("%s needs the token: %v", path, got)
		}
	}
}

// A file is not an answer of the Web API, and a page is neither. F120
func TestSlackFiles(t *testing.T) {
	for contentType, want := range map[string]transport.Verdict{
		"image/png": passed, "text/plain": passed, "text/html; charset=utf-8": inconclusive, "application/json; charset=utf-8": unapplied, "": unapplied,
	} {
		a := transport.NewAnswer(200, http.Header{"Content-Type": {contentType}}, []byte(`{"ok":false,"error":"token_revoked"}`))
		if got := provider.Slack().Classifier(a); got != want {
			t.Errorf("%s: verdict %d, want %d", contentType, got, want)
		}
	}
}
