package sdktest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"sync"
)

// cloud is the part of Event Grid, Blob Storage and Key Vault that the tests need. It
// refuses an invalid key before it reads the body.
type cloud struct {
	mu        sync.Mutex
	keys      map[string]bool // the valid keys
	seen      map[string]int  // requests by key; "" is none
	refused   int
	unasked   int // requests without a key where a challenge is not what the client wants
	applied   int
	stored    map[string]string // by name, what was put there
	challenge bool              // a request without a key is for the challenge
	latest    string            // the key of the last request
}

func (c *cloud) last() (key string) {
	c.set(func() { key = c.latest })
	return key
}

func (c *cloud) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	grid := r.URL.Path == "/api/events"
	key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if grid {
		key = r.Header.Get("Aeg-Sas-Key")
	}
	var valid bool
	c.set(func() {
		c.seen[key]++
		c.latest = key
		valid = c.keys[key]
		switch {
		case key == "" && !c.challenge:
			c.unasked++
		case key != "" && !valid:
			c.refused++
		}
	})
	if !valid {
		w.Header().Set("WWW-Authenticate", `Bearer authorization="https://login.example.com/tenant", resource="https://vault.azure.net"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has closed the connection
	}
	name, text := path.Base(r.URL.Path), string(body)
	switch {
	case grid:
		var events []struct{ ID, Data string }
		if json.Unmarshal(body, &events) != nil || len(events) != 1 {
			http.Error(w, "no event", http.StatusBadRequest)
			return
		}
		name, text = events[0].ID, events[0].Data
	case strings.HasPrefix(r.URL.Path, "/secrets/"):
		var secret struct{ Value string }
		if json.Unmarshal(body, &secret) != nil {
			http.Error(w, "no secret", http.StatusBadRequest)
			return
		}
		text = secret.Value
	}
	c.set(func() {
		c.applied++
		c.stored[name] = text
	})
	switch {
	case grid:
	case strings.HasPrefix(r.URL.Path, "/secrets/"):
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":"https://vault.example.com/secrets/%s/1"}`, name)
	default:
		w.WriteHeader(http.StatusCreated)
	}
}
