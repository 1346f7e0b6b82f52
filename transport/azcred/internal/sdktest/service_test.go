package sdktest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"

	"github.com/rollingkeys/rollingkeys/transport/internal/drill"
)

// cloud is the part of Event Grid, Blob Storage and Key Vault that the tests need. It
// refuses an invalid key before it reads the body.
type cloud struct {
	drill.Service
	unasked   int  // requests without a key where a challenge is not what the client wants
	challenge bool // a request without a key is for the challenge
}

func (c *cloud) last() (version string) {
	c.Set(func() { version = c.Seen[len(c.Seen)-1] })
	return version
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	grid := r.URL.Path == "/api/events"
	key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if grid {
		key = r.Header.Get("Aeg-Sas-Key")
	}
	valid := key != "" && c.Check(strings.TrimPrefix(key, drill.Sentinel))
	if key == "" {
		c.Set(func() {
			if !c.challenge {
				c.unasked++
			}
		})
	}
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
	c.Write(name, text)
	switch {
	case grid:
	case strings.HasPrefix(r.URL.Path, "/secrets/"):
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":"https://vault.example.com/secrets/%s/1"}`, name)
	default:
		w.WriteHeader(http.StatusCreated)
	}
}
