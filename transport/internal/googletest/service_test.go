package googletest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"
)

const project = "billed-project"

// A cloud is the part of Cloud Translation and Cloud Storage that the tests need. It refuses
// an invalid key before it reads the body.
type cloud struct {
	mu      sync.Mutex
	keys    map[string]bool // the valid keys
	seen    map[string]int  // requests by key
	last    string          // the key of the last request
	refused int
	applied int
	unpaid  int               // requests with a token that did not name the project
	stored  map[string]string // the objects by name
}

func (c *cloud) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key, isToken := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !isToken {
		key = r.Header.Get("X-Goog-Api-Key")
	}
	var valid bool
	c.set(func() {
		c.seen[key]++
		c.last = key
		if valid = c.keys[key]; !valid {
			c.refused++
		}
		if isToken && r.Header.Get("X-Goog-User-Project") != project {
			c.unpaid++
		}
	})
	w.Header().Set("Content-Type", "application/json")
	switch {
	case !valid && isToken:
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":{"code":401,"message":"no","status":"UNAUTHENTICATED"}}`)
		return
	case !valid:
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}`)
		return
	}
	name, text, err := written(r)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":{"code":400,"message":%q}}`, err)
		return
	}
	c.set(func() {
		c.applied++
		c.stored[name] = text
	})
	fmt.Fprint(w, `{}`)
}

// written returns what a request writes: a text for translation, or an object.
func written(r *http.Request) (name, text string, err error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return "", "", err
	}
	if kind != "multipart/related" {
		var in struct {
			Data struct {
				Q      []string
				Target string
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			return "", "", err
		}
		return in.Data.Target, strings.Join(in.Data.Q, ""), nil
	}
	parts := multipart.NewReader(r.Body, params["boundary"])
	meta, err := parts.NextPart()
	if err != nil {
		return "", "", err
	}
	var object struct{ Name string }
	if err := json.NewDecoder(meta).Decode(&object); err != nil {
		return "", "", err
	}
	media, err := parts.NextPart()
	if err != nil {
		return "", "", err
	}
	content, err := io.ReadAll(media)
	return object.Name, string(content), err
}
