package mockapi

import (
	"cmp"
	"crypto/subtle"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// checkAddress returns an error if other machines could reach the address although no token
// was given: the admin API and the key document contain secrets.
func (c *config) checkAddress(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("address %q is not of the form host:port", address)
	}
	if c.token == "" && !loopback(host) {
		return fmt.Errorf("address %q can be reached by other machines, which needs a token: give one by WithToken or -token-env, or listen on loopback, such as 127.0.0.1:0", address)
	}
	return nil
}

// reachedAt returns the address by which clients reach a listener.
func (a *API) reachedAt(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil || a.cfg.memory {
		return address
	}
	if net.ParseIP(host).IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(cmp.Or(a.cfg.host, host), port)
}

// forToken refuses requests without the token, if there is one.
func (a *API) forToken(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !carries(r, a.cfg.token) {
			refuseAdmin(w, http.StatusUnauthorized, "the request needs the token of the server: Authorization: Bearer TOKEN")
			return
		}
		h.ServeHTTP(w, r)
	})
}

// carries reports whether r has the Bearer token, or whether none is needed.
func carries(r *http.Request, token string) bool {
	return token == "" || subtle.ConstantTimeCompare([]byte("Bearer "+token), []byte(r.Header.Get("Authorization"))) == 1
}

// forLoopback refuses requests whose Host is not loopback, unless there is a token. It
// prevents DNS rebinding: a web page whose host name resolves to 127.0.0.1 could otherwise
// read the response.
func (a *API) forLoopback(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if a.cfg.token == "" && !strings.EqualFold(host, "localhost") && !loopback(strings.Trim(host, "[]")) {
			refuseAdmin(w, http.StatusForbidden, "the Host of the request is not loopback")
			return
		}
		h.ServeHTTP(w, r)
	})
}

func refuseAdmin(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "application/json")
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="mockapi"`)
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"error":"`+why+`"}`+"\n")
}

// loopback reports whether host is an address that only this machine reaches.
func loopback(host string) bool { return net.ParseIP(host).IsLoopback() }
