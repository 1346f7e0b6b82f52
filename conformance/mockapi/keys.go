package mockapi

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

const (
	// maxWait is the longest time that a long poll waits.
	maxWait = time.Minute
	// maxRevoked is how many revoked versions the document lists, newest first,
	// so that the document stays below source.MaxSize in a long test.
	maxRevoked = 16
)

// document is the last key document that was read.
type document struct {
	mu      sync.Mutex
	changed chan struct{} // closed at the next change
	nonce   string
	n       int // counts changes of data
	data    []byte

	reads, unchanged atomic.Uint64
}

// touch wakes the long polls.
func (d *document) touch() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.changed != nil {
		close(d.changed)
	}
	d.changed = make(chan struct{})
}

// readDocument returns the key document, its ETag, and a channel that is closed when it
// may have changed.
func (a *API) readDocument() (data []byte, etag string, changed <-chan struct{}, err error) {
	d := &a.doc
	d.mu.Lock()
	defer d.mu.Unlock()
	data, err = a.life.document(now())
	if d.nonce == "" {
		d.nonce = rand.Text()
	}
	if !bytes.Equal(data, d.data) {
		d.n++
		d.data = data
	}
	// F98: the ETag is a counter, not a hash of the content, which has secrets.
	return data, fmt.Sprintf("%q", d.nonce+"-"+strconv.Itoa(d.n)), d.changed, err
}

// document renders the listed versions, newest first.
func (l *life) document(at time.Time) ([]byte, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var set source.Set
	var pending []json.RawMessage
	for _, v := range slices.Backward(l.versions) {
		switch {
		case !v.listed:
		case v.revoked:
			if len(set.Revoked) < maxRevoked {
				set.Revoked = append(set.Revoked, v.key.Version)
			}
		case v.pending:
			entry, _ := json.Marshal(map[string]string{"version": v.key.Version, "status": "pending"})
			pending = append(pending, entry)
		case !v.key.ExpiresAt.IsZero() && (!at.Before(v.key.ExpiresAt) || v.key.ExpiresAt.Before(v.key.NotBefore)):
		default:
			set.Keys = append(set.Keys, v.key)
		}
	}
	data, err := source.EncodeDocument(set)
	if err != nil || pending == nil {
		return data, err
	}
	var doc struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	doc.Keys = append(pending, doc.Keys...)
	return json.MarshalIndent(doc, "", "  ")
}

// KeyReads returns how often the key document was served, and how many of these
// responses were 304 Not Modified. Responses of InterceptKeys do not count.
func (a *API) KeyReads() (reads, unchanged uint64) {
	return a.doc.reads.Load(), a.doc.unchanged.Load()
}

// serveKeys serves the key document.
func (a *API) serveKeys(w http.ResponseWriter, r *http.Request) {
	if f := a.interceptKeys.Load(); f != nil && (*f)(w, r) {
		return
	}
	switch {
	case r.URL.Path != "/keys":
		http.NotFound(w, r)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	case !carries(r, cmp.Or(a.cfg.keysToken, a.cfg.token)):
		w.Header().Set("WWW-Authenticate", `Bearer realm="mockapi keys", error="invalid_token"`)
		http.Error(w, "unauthorized", http.StatusUnauthorized)
		return
	}
	data, etag, changed, err := a.readDocument()
	held := r.Header.Get("If-None-Match")
	if wait := preferredWait(r); wait > 0 && held != "" {
		w.Header().Set("Preference-Applied", "wait="+strconv.Itoa(int(wait/time.Second)))
		timer := time.NewTimer(wait)
		defer timer.Stop()
		for waiting := true; waiting && err == nil && matches(held, etag); {
			select {
			case <-changed:
				data, etag, changed, err = a.readDocument()
			case <-timer.C:
				waiting = false
			case <-r.Context().Done():
				panic(http.ErrAbortHandler) // returning would make net/http send 200
			}
		}
	}
	if err != nil {
		http.Error(w, "no key document", http.StatusInternalServerError)
		return
	}
	a.doc.reads.Add(1)
	w.Header().Set("ETag", etag)
	w.Header().Set("Cache-Control", "private, no-cache")
	if a.cfg.keysMaxAge > 0 {
		w.Header().Set("Cache-Control", "private, max-age="+strconv.Itoa(int(a.cfg.keysMaxAge/time.Second)))
	}
	if matches(held, etag) {
		a.doc.unchanged.Add(1)
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(data) // net/http sends no body in answer to HEAD
}

// matches reports whether the If-None-Match field matches etag (RFC 9110 section 13.1.2).
func matches(field, etag string) bool {
	for part := range strings.SplitSeq(field, ",") {
		part = strings.TrimPrefix(strings.TrimSpace(part), "W/")
		if part == "*" || part == etag {
			return true
		}
	}
	return false
}

// preferredWait returns the wait=N of the Prefer fields (RFC 7240 section 4.3),
// at most maxWait, or 0 if there is none.
func preferredWait(r *http.Request) time.Duration {
	for preference := range strings.SplitSeq(strings.Join(r.Header.Values("Prefer"), ","), ",") {
		preference, _, _ = strings.Cut(preference, ";")
		name, value, _ := strings.Cut(preference, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		n, err := strconv.Atoi(strings.Trim(strings.TrimSpace(value), `"`))
		if err != nil || n < 0 {
			return 0
		}
		return min(time.Duration(min(n, 3600))*time.Second, maxWait)
	}
	return 0
}
