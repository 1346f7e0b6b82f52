package conformance

import (
	"net/http"
	"strings"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
)

// keyless fails the case if a request to api, from index from on, had an
// Authorization header.
func keyless(s *transportTrial, api *mockapi.API, from int, where string) {
	s.Helper()
	for _, a := range api.Requests()[from:] {
		if _, there := a.Header["Authorization"]; there {
			s.Errorf("the key was sent to %s", where)
		}
	}
}

// redirect makes api answer all paths but /end with a redirect to location.
func (s *transportTrial) redirect(api *mockapi.API, code int, location string) {
	api.Intercept(func(w http.ResponseWriter, r *http.Request, _ mockapi.Attempt) bool {
		if r.URL.Path == "/end" {
			return false
		}
		w.Header().Set("Location", location)
		w.WriteHeader(code)
		return true
	})
}

// follow sends a GET through an http.Client, which follows redirects.
func (s *transportTrial) follow() {
	s.Helper()
	resp, err := s.client.Do(s.request(http.MethodGet, "/begin", nil))
	if err == nil {
		_ = resp.Body.Close()
	}
}

// F53, F54: the other origin differs in its port only.
func redirectElsewhere(s *transportTrial) {
	other := s.server()
	for _, code := range []int{301, 302, 303, 307, 308} {
		before := len(other.Requests())
		s.redirect(s.api, code, other.URL()+"/end")
		s.follow()
		if len(other.Requests()) == before {
			s.Errorf("a redirect with status %d was not followed", code)
		}
		keyless(s, other, before, "another origin")
	}
	s.api.Intercept(nil)
	s.get("v1")
}

// F55
func redirectBack(s *transportTrial) {
	other := s.server()
	s.redirect(s.api, http.StatusFound, other.URL()+"/there")
	s.redirect(other, http.StatusFound, s.api.URL()+"/end")
	s.follow()
	keyless(s, other, 0, "another origin")
	if n := s.attempts(); n < 2 {
		s.Fatalf("%d requests reached the origin, want 2: the first, and the redirect back", n)
	}
	keyless(s, s.api, 1, "its origin after a redirect by another origin")
}

func redirectWithin(s *transportTrial) {
	s.redirect(s.api, http.StatusFound, "/end")
	resp, err := s.client.Do(s.request(http.MethodGet, "/begin", nil))
	if err != nil {
		s.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		s.Errorf("status %d after a redirect within the origin, want 200", resp.StatusCode)
	}
}

func otherOrigin(s *transportTrial) {
	s.get("v1")
	other := s.server()
	req := s.request(http.MethodGet, "/", nil)
	req.URL.Host = strings.TrimPrefix(other.URL(), "https://")
	req.Host = req.URL.Host
	_, _, _ = s.send(req) // either a response or an error is allowed
	keyless(s, other, 0, "another origin")
}

// sent answers requests in place of the base. The function it returns lists the
// URLs and hosts of the requests with a key since its last call.
func (s *transportTrial) sent() func() []string {
	var list []string
	s.base.instead(func(req *http.Request) (*http.Response, error) {
		if _, there := req.Header["Authorization"]; there {
			list = append(list, req.URL.Scheme+"://"+req.URL.Host+" as "+req.Host)
		}
		return ok(req)
	})
	return func() []string {
		defer func() { list = nil }()
		return list
	}
}

func (s *transportTrial) to(target, host string) {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), http.MethodGet, target, nil)
	if err != nil {
		s.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	_, _, _ = s.send(req)
}

// F55
func lookalikes(s *transportTrial) {
	sent := s.sent()
	s.to("https://api.example.com/", "")
	if len(sent()) != 1 {
		s.Fatal("the key was not sent to its own origin")
	}
	for _, r := range []struct{ url, host string }{
		{"https://api.example.com.evil.example/", ""},
		{"https://evilapi.example.com/", ""},
		{"https://api.example.com:8443/", ""},
		{"https://example.com/", ""},
		{"https://api.example.com@evil.example/", ""},
		{"https://api.example.com/", "evil.example"},
		// F167: unicode.ToLower maps U+0130 and the Kelvin sign, and no other
		// non-ASCII characters, to ASCII letters, i and k. Host names of APIs
		// often have an i, rarely a k.
		{"https://ap\u0130.example.com/", ""},
		{"https://api.example.com/", "ap\u0130.example.com"},
		{"http://api.example.com/", ""},
		{"http://api.example.com:443/", ""},
	} {
		s.to(r.url, r.host)
		if list := sent(); len(list) > 0 {
			s.Errorf("the key of https://api.example.com was sent to %s", strings.Join(list, ", "))
		}
	}
}

// F56
func plainHTTP(s *transportTrial) {
	sent := s.sent()
	s.to("http://api.example.com/", "")
	if len(sent()) > 0 {
		s.Error("the key was sent over plain http")
	}
}
