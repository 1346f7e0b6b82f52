package mockapi_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
)

// readKeys reads the key document. headers are pairs of name and value.
func readKeys(t testing.TB, api *mockapi.API, headers ...string) answer {
	t.Helper()
	return send(t, api.Client(), request(t, http.MethodGet, api.KeysURL(), source.Key{}, nil, headers...))
}

// listed returns the versions in the key document, such as "v2 v1 -v0" if v0 is
// revoked.
func listed(t testing.TB, api *mockapi.API) string {
	t.Helper()
	a := readKeys(t, api)
	set, err := source.Document([]byte(a.Body))
	if err != nil {
		t.Fatalf("%d: %v", a.Status, err)
	}
	var names []string
	for _, k := range set.Keys {
		names = append(names, k.Version)
	}
	for _, v := range set.Revoked {
		names = append(names, "-"+v)
	}
	return strings.Join(names, " ")
}

func TestKeyDocumentFollowsTheServer(t *testing.T) {
	api := mockapi.New(t)
	v1 := api.Issue(mockapi.Spec{Extra: map[string]string{"passphrase": "p"}, ID: "me", Secret: "s", Scopes: []string{"read"}})
	set, err := source.Document([]byte(readKeys(t, api).Body))
	if err != nil {
		t.Fatal(err)
	}
	if k := set.Keys[0]; !k.SameContent(v1) || !k.CreatedAt.Equal(v1.CreatedAt) || k.Scopes[0] != "read" || !k.ExpiresAt.IsZero() {
		t.Errorf("listed %+v", k)
	}
	want := func(names string) {
		t.Helper()
		if got := listed(t, api); got != names {
			t.Errorf("listed %q, want %q", got, names)
		}
	}
	want("v1")
	api.Rotate(time.Hour)
	want("v2 v1")
	if set, _ := source.Document([]byte(readKeys(t, api).Body)); set.Keys[1].ExpiresAt.IsZero() {
		t.Error("the key document has no expires_at for v1")
	}
	api.Rotate(0)
	want("v3")
	_ = api.Revoke("v2")
	want("v3 -v2")
}

// F61, F92: the key document can list a version that the server refuses, and omit one
// that it accepts.
func TestKeyDocumentApartFromTheServer(t *testing.T) {
	api := mockapi.New(t)
	v1 := api.Issue(mockapi.Spec{})
	server := api.Issue(mockapi.Spec{Unlisted: true})
	document := api.Issue(mockapi.Spec{Inactive: true})
	later := api.Issue(mockapi.Spec{After: time.Hour})
	api.Issue(mockapi.Spec{Pending: true})
	status(t, api, server, 200)
	status(t, api, document, 401)
	if got := listed(t, api); got != "v4 v3 v1" {
		t.Errorf("listed %q", got)
	}
	body := readKeys(t, api).Body
	if !strings.Contains(body, `"status": "pending"`) {
		t.Errorf("the key document lacks the pending version")
	}
	if set, _ := source.Document([]byte(body)); !set.Keys[0].NotBefore.Equal(later.NotBefore) {
		t.Errorf("not before %v", set.Keys[0].NotBefore)
	}
	_ = api.List("v2")
	_ = api.Unlist("v4")
	_ = api.Activate("v5")
	_ = api.Deactivate("v1")
	if got := listed(t, api); got != "v5 v3 v2 v1" {
		t.Errorf("listed %q", got)
	}
	status(t, api, v1, 401)
}

// F80: an unchanged key document has the same ETag and gets 304; a changed one has
// another ETag.
func TestKeyDocumentRevalidates(t *testing.T) {
	api := mockapi.New(t, mockapi.WithKeysMaxAge(90*time.Second))
	api.Issue(mockapi.Spec{})
	first := readKeys(t, api)
	etag := first.Header.Get("ETag")
	if etag == "" || first.Header.Get("Cache-Control") != "private, max-age=90" || first.Header.Get("Content-Type") != "application/json" {
		t.Errorf("header %v", first.Header)
	}
	for _, field := range []string{etag, `"x", W/` + etag, "*"} {
		if a := readKeys(t, api, "If-None-Match", field); a.Status != 304 || a.Body != "" || a.Header.Get("ETag") != etag {
			t.Errorf("%s: %d", field, a.Status)
		}
	}
	api.Rotate(time.Hour)
	a := readKeys(t, api, "If-None-Match", etag)
	if a.Status != 200 || a.Header.Get("ETag") == etag {
		t.Errorf("%d %v", a.Status, a.Header)
	}
	noSecret(t, "the ETag", etag)
	if reads, unchanged := api.KeyReads(); reads != 5 || unchanged != 3 {
		t.Errorf("counted %d and %d", reads, unchanged)
	}
	if len(api.Requests()) != 0 {
		t.Error("the request log has readings of the key document")
	}
}

// A long poll (RFC 7240) is answered when the document changes, or with 304 when the
// time is over.
func TestKeyDocumentLongPoll(t *testing.T) {
	api := mockapi.New(t)
	api.Issue(mockapi.Spec{})
	etag := readKeys(t, api).Header.Get("ETag")
	if a := readKeys(t, api, "Prefer", "wait=30"); a.Status != 200 || a.Header.Get("Preference-Applied") != "" {
		t.Errorf("without an ETag: %d %v", a.Status, a.Header)
	}
	done := make(chan answer, 1)
	go func() {
		done <- readKeys(t, api, "If-None-Match", etag, "Prefer", `respond-async, Wait="30"; x=y`)
	}()
	// Changes that do not show in the document do not end the long poll.
	_ = api.Deactivate("v1")
	_ = api.Activate("v1")
	api.Issue(mockapi.Spec{Unlisted: true})
	api.Rotate(time.Hour)
	if a := <-done; a.Status != 200 || a.Header.Get("Preference-Applied") != "wait=30" || !strings.Contains(a.Body, "v3") {
		t.Errorf("%d %v", a.Status, a.Header)
	}
	etag = readKeys(t, api).Header.Get("ETag")
	if a := readKeys(t, api, "If-None-Match", etag, "Prefer", "wait=1"); a.Status != 304 || a.Header.Get("Preference-Applied") != "wait=1" {
		t.Errorf("%d %v", a.Status, a.Header)
	}
	for _, prefer := range []string{"wait=0", "wait=-1", "wait=x", "wait", "return=minimal"} {
		if a := readKeys(t, api, "If-None-Match", etag, "Prefer", prefer); a.Status != 304 || a.Header.Get("Preference-Applied") != "" {
			t.Errorf("%s: %d %v", prefer, a.Status, a.Header)
		}
	}
}

// F106
func TestCloseEndsALongPoll(t *testing.T) {
	api := mockapi.New(t)
	api.Issue(mockapi.Spec{})
	etag := readKeys(t, api).Header.Get("ETag")
	reached := make(chan struct{})
	once := sync.OnceFunc(func() { close(reached) }) // net/http may repeat a GET on another connection
	api.InterceptKeys(func(http.ResponseWriter, *http.Request) bool { once(); return false })
	done := make(chan error, 1)
	go func() {
		resp, err := api.Client().Do(request(t, http.MethodGet, api.KeysURL(), source.Key{}, nil, "If-None-Match", etag, "Prefer", "wait=60"))
		if err == nil {
			resp.Body.Close()
		}
		done <- err
	}()
	<-reached
	if err := api.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil {
		t.Error("answered")
	}
}

// F82, F88: the key document can need a token, and InterceptKeys can answer in place
// of the server.
func TestKeyDocumentProtectedAndIntercepted(t *testing.T) {
	api := mockapi.New(t, mockapi.WithKeysToken("the-token"))
	key := api.Issue(mockapi.Spec{})
	for _, headers := range [][]string{nil, {"Authorization", "Bearer other"}, {"Authorization", "Bearer " + key.Secret.Expose()}} {
		if a := readKeys(t, api, headers...); a.Status != 401 || strings.Contains(a.Body, "keys") {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	if a := readKeys(t, api, "Authorization", "Bearer the-token"); a.Status != 200 {
		t.Errorf("status %d", a.Status)
	}
	api.InterceptKeys(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<html>log in</html>"))
		return true
	})
	if a := readKeys(t, api); a.Body != "<html>log in</html>" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	api.InterceptKeys(nil)
	r := request(t, http.MethodPost, api.KeysURL(), source.Key{}, nil)
	if a := send(t, api.Client(), r); a.Status != 405 {
		t.Errorf("POST: %d", a.Status)
	}
	r = request(t, http.MethodGet, api.KeysURL()+"/more", source.Key{}, nil)
	if a := send(t, api.Client(), r); a.Status != 404 {
		t.Errorf("another path: %d", a.Status)
	}
}

// After many rotations the key document is still below source.MaxSize.
func TestKeyDocumentStaysSmall(t *testing.T) {
	api := mockapi.New(t)
	for range 300 {
		key := api.Rotate(0)
		if err := api.Revoke(key.Version); err != nil {
			t.Fatal(err)
		}
	}
	api.Issue(mockapi.Spec{})
	if got := strings.Fields(listed(t, api)); len(got) != 17 || got[0] != "v301" || got[1] != "-v300" {
		t.Errorf("listed %q", got)
	}
}
