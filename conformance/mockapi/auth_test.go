package mockapi_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
)

func TestEachWayToPresentAKey(t *testing.T) {
	for _, test := range []struct {
		name string
		auth mockapi.Authenticator
		put  func(*http.Request, string, string)
	}{
		{"bearer", mockapi.Bearer(), func(r *http.Request, _, secret string) { r.Header.Set("Authorization", "bearer "+secret) }},
		{"header", mockapi.Header("x-key"), func(r *http.Request, _, secret string) { r.Header.Set("X-Key", secret) }},
		{"basic", mockapi.Basic(), func(r *http.Request, id, secret string) { r.SetBasicAuth(id, secret) }},
		{"headers", mockapi.Headers(map[string]string{"x-id": "id", "x-key": "secret"}), func(r *http.Request, id, secret string) {
			r.Header.Set("X-Id", id)
			r.Header.Set("X-Key", secret)
		}},
		{"query", mockapi.Query("key"), func(r *http.Request, _, secret string) {
			r.URL.RawQuery = url.Values{"a": {"b"}, "key": {secret}}.Encode()
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			api := mockapi.New(t, mockapi.WithAuth(test.auth))
			// This secret has no sentinel, so the log must redact it by its place.
			key := api.Issue(mockapi.Spec{ID: "me", Secret: "hush-hush"})
			try := func(id, secret string) int {
				r := request(t, http.MethodGet, api.URL()+"/x", source.Key{}, nil)
				test.put(r, id, secret)
				return send(t, api.Client(), r).Status
			}
			if got := try(key.ID, key.Secret.Expose()); got != 200 {
				t.Errorf("the key: %d", got)
			}
			for _, wrong := range []string{"", "other", "hush-hus", "hush-hush2"} {
				if got := try(key.ID, wrong); got != 401 {
					t.Errorf("%q: %d", wrong, got)
				}
			}
			status(t, api, source.Key{}, 401)
			if accepted, refused := api.Count("v1"); accepted != 1 || refused != 0 {
				t.Errorf("counted %d and %d", accepted, refused)
			}
			if _, strangers := api.Count(""); strangers != 5 {
				t.Errorf("%d attempts without a known key", strangers)
			}
			for _, a := range api.Requests() {
				if text := a.Query + headerText(a.Header); strings.Contains(text, "hush") || strings.Contains(text, "aHVzaC") {
					t.Errorf("the log shows %s", text)
				}
			}
		})
	}
}

func headerText(h http.Header) string {
	var b strings.Builder
	_ = h.Write(&b)
	return b.String()
}

// F26: an ID and secret of different versions are refused.
func TestBasicRefusesATornPair(t *testing.T) {
	api := mockapi.New(t, mockapi.WithAuth(mockapi.Basic()))
	v1, v2 := api.Issue(mockapi.Spec{}), api.Issue(mockapi.Spec{})
	r := request(t, http.MethodGet, api.URL(), source.Key{}, nil)
	r.SetBasicAuth(v1.ID, v2.Secret.Expose())
	if a := send(t, api.Client(), r); a.Status != 401 {
		t.Errorf("status %d", a.Status)
	}
	if a := api.Requests()[0]; a.Version != "" || a.Reason != mockapi.ReasonUnknown {
		t.Errorf("logged %q %q", a.Version, a.Reason)
	}
}

// F26: fields of different versions in several headers are refused, with or without
// an ID among them.
func TestHeadersRefuseATornKey(t *testing.T) {
	for _, fields := range []map[string]string{
		{"X-Key": "secret", "X-App": "app"}, {"X-Id": "id", "X-App": "app"}, {"X-Id": "id", "X-Key": "secret", "X-App": "app"},
	} {
		api := mockapi.New(t, mockapi.WithAuth(mockapi.Headers(fields)))
		issue := func(n string) source.Key {
			return api.Issue(mockapi.Spec{ID: "id" + n, Secret: "rksentinel_key" + n, Extra: map[string]string{"app": "rksentinel_app" + n}})
		}
		v1, v2 := issue("1"), issue("2")
		v3 := api.Issue(mockapi.Spec{}) // has no such field
		for name, c := range map[string]struct {
			rest, app source.Key
			want      int
		}{"v1": {v1, v1, 200}, "v2": {v2, v2, 200}, "torn": {v1, v2, 401}, "no part": {v3, v1, 401}, "part missing": {v1, v3, 401}} {
			r := request(t, http.MethodGet, api.URL(), source.Key{}, nil)
			r.Header.Set("X-Id", c.rest.ID)
			r.Header.Set("X-Key", c.rest.Secret.Expose())
			if app, ok := c.app.Extra["app"]; ok {
				r.Header.Set("X-App", app.Expose())
			}
			a := send(t, api.Client(), r)
			if a.Status != c.want || c.want == 200 && a.Version != name {
				t.Errorf("%v, %s: status %d, version %q", fields, name, a.Status, a.Version)
			}
		}
	}
}

// F48: a request with two credentials is refused, and the log shows both values.
func TestRefusesTheCredentialTwice(t *testing.T) {
	api := mockapi.New(t)
	key := api.Issue(mockapi.Spec{})
	status(t, api, key, 401, "Authorization", "Bearer "+key.Secret.Expose())
	if got := api.Requests()[0].Header["Authorization"]; len(got) != 2 || got[0] != "[redacted]" {
		t.Errorf("logged %q", got)
	}
}

// signed is an Authenticator with a key ID and the HMAC-SHA256 of the body.
type signed struct{}

func (signed) Authenticate(r *http.Request, body func() ([]byte, error), keys mockapi.Keys) (string, *mockapi.Refusal) {
	data, err := body()
	if err != nil {
		return "", &mockapi.Refusal{Status: http.StatusRequestEntityTooLarge}
	}
	found := keys.ByID(r.Header.Get("X-Id"))
	if len(found) == 0 {
		return "", nil
	}
	mac := hmac.New(sha256.New, []byte(found[0].Secret.Expose()))
	mac.Write(data)
	if !hmac.Equal([]byte(hex.EncodeToString(mac.Sum(nil))), []byte(r.Header.Get("X-Sign"))) {
		return found[0].Version, &mockapi.Refusal{Status: 400, Body: "signature"}
	}
	return found[0].Version, nil
}

func (signed) Credentials() (headers, params []string) { return []string{"X-Sign"}, nil }

func (signed) Refuse(_ *http.Request, reason mockapi.Reason) *mockapi.Refusal {
	if reason == mockapi.ReasonExpired {
		return &mockapi.Refusal{Status: 200, Body: `{"error":"expired"}`}
	}
	return nil
}

// F49, F66: an Authenticator for signatures finds the key by its ID, the handler
// still gets the whole body, and refusals are the Authenticator's own.
func TestSigningSchemePlugsIn(t *testing.T) {
	api := mockapi.New(t, mockapi.WithAuth(signed{}))
	key := api.Issue(mockapi.Spec{})
	// Longer than a single Read returns.
	body := `{"client_order_id":"c-1","note":"` + strings.Repeat("z", 50<<10) + `"}`
	try := func(id, signedBody string) answer {
		mac := hmac.New(sha256.New, []byte(key.Secret.Expose()))
		mac.Write([]byte(signedBody))
		return send(t, api.Client(), request(t, http.MethodPost, api.URL()+"/orders", source.Key{},
			strings.NewReader(body), "X-Id", id, "X-Sign", hex.EncodeToString(mac.Sum(nil))))
	}
	if a := try(key.ID, body); a.Status != 200 || a.Version != "v1" {
		t.Errorf("good: %d %s", a.Status, a.Body)
	}
	if a := try(key.ID, "other"); a.Status != 400 || a.Body != "signature" {
		t.Errorf("bad signature: %d %s", a.Status, a.Body)
	}
	if a := try("nobody", body); a.Status != 401 {
		t.Errorf("unknown id: %d %s", a.Status, a.Body)
	}
	_ = api.Expire("v1", 0)
	if a := try(key.ID, body); a.Status != 200 || a.Body != `{"error":"expired"}` {
		t.Errorf("expired: %d %s", a.Status, a.Body)
	}
	orders := api.Orders()
	if len(orders) != 1 || orders[0].ClientID != "c-1" || string(orders[0].Body) != body || orders[0].Sum != sum(body) || orders[0].Length != int64(len(body)) {
		t.Errorf("%d orders, or not as sent", len(orders))
	}
	log := api.Requests()
	var reasons []mockapi.Reason
	for _, a := range log {
		reasons = append(reasons, a.Reason)
		if a.BodySum != sum(body) || a.Header.Get("X-Sign") != "[redacted]" || a.Header.Get("X-Id") == "[redacted]" {
			t.Errorf("logged %+v", a)
		}
	}
	want := []mockapi.Reason{"", mockapi.ReasonAuth, mockapi.ReasonUnknown, mockapi.ReasonExpired}
	for i := range want {
		if reasons[i] != want[i] {
			t.Errorf("reasons %q, want %q", reasons, want)
			break
		}
	}
	if log[1].Version != "v1" || log[1].Accepted {
		t.Errorf("a bad signature was logged as %+v", log[1])
	}
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

// If several versions have the same secret, a request with it carries the accepted
// version, else the newest.
func TestSameSecretAgainIsTheAcceptedVersion(t *testing.T) {
	api := mockapi.New(t)
	v1 := api.Issue(mockapi.Spec{Secret: "same"})
	api.Issue(mockapi.Spec{Secret: "same", Inactive: true})
	if a := get(t, api, v1); a.Version != "v1" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	_ = api.Revoke("v1")
	status(t, api, v1, 401)
	if log := api.Requests(); log[1].Version != "v2" {
		t.Errorf("refused as %s", log[1].Version)
	}
}
