package sigv4_test

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/rollingkeys/rollingkeys/transport/sigv4/internal/verifier"
)

// endpoint is a service that checks signatures and refuses like AWS.
type endpoint struct {
	service, region string

	mu      sync.Mutex
	keys    map[string]string // access key id to secret: the active ones
	session string            // the session token that goes with them, if any
	ahead   time.Duration     // how far its clock is ahead of the true time
	served  map[string]int    // by access key id
	refused int
	bodies  []string
	paths   []string
}

func (v *endpoint) set(change func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change()
}

func (v *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now().Add(v.ahead)
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	body, _ := io.ReadAll(r.Body)
	rules := verifier.Service{Name: v.service, Region: v.region, Keys: v.keys, Session: v.session}
	id, code := rules.Check(r, body, now)
	if code != "" {
		v.refused++
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>no</Message></Error></ErrorResponse>", code)
		return
	}
	v.served[id]++
	v.bodies = append(v.bodies, string(body))
	v.paths = append(v.paths, r.URL.RequestURI())
	fmt.Fprint(w, id)
}
