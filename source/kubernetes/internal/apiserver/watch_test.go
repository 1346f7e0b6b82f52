//go:build apiserver

package apiserver_test

import (
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
	rkkubernetes "github.com/rollingkeys/rollingkeys/source/kubernetes"
)

// A hurry makes the server end every watch after two seconds instead of minutes. It counts
// the watches.
type hurry struct {
	next http.RoundTripper
	// anew counts the watches from now on, and on counts those from a resourceVersion.
	anew, on atomic.Int64
	// expire makes the next watch from a resourceVersion begin at an old one.
	expire atomic.Bool
}

func (h *hurry) RoundTrip(req *http.Request) (*http.Response, error) {
	query := req.URL.Query()
	if !query.Has("watch") {
		return h.next.RoundTrip(req)
	}
	query.Set("timeoutSeconds", "2")
	if query.Get("resourceVersion") == "" {
		h.anew.Add(1)
	} else {
		h.on.Add(1)
		if h.expire.CompareAndSwap(true, false) {
			query.Set("resourceVersion", "1")
		}
	}
	req = req.Clone(req.Context())
	req.URL.RawQuery = query.Encode()
	return h.next.RoundTrip(req)
}

// F11, F14: after the server has ended a watch, the source continues it from the last
// resourceVersion. If the server no longer has that (410), a new watch begins. All of this
// happens in one call of Notify, which returns no error.
func TestWatchGoesOn(t *testing.T) {
	b := newBot(t)
	token, err := os.ReadFile(b.token)
	b.must(err)
	h := &hurry{}
	client, err := kubernetes.NewForConfig(&rest.Config{
		Host: "https://" + shared.Addr, BearerToken: string(token), QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{CAFile: shared.CA},
		WrapTransport:   func(next http.RoundTripper) http.RoundTripper { h.next = next; return h },
	})
	b.must(err)
	b.put(1)
	ring, said := storetest.Keep(t, rkkubernetes.New(client.CoreV1(), b.namespace, "exchange", rkkubernetes.WithField("token", source.Plain)))
	storetest.Requests(t, ring)
	b.put(2)
	storetest.Uses(t, ring, 2)

	anew := h.anew.Load()
	storetest.Eventually(t, "a watch that goes on", func() bool { return h.on.Load() > 0 })
	b.put(3)
	storetest.Uses(t, ring, 3)
	if h.anew.Load() != anew {
		t.Error("a watch that ended began anew")
	}
	h.expire.Store(true)
	storetest.Eventually(t, "a watch that begins anew", func() bool { return h.anew.Load() == anew+1 })
	b.put(4)
	storetest.Uses(t, ring, 4)
	if strings.Contains(said(), "no notification") {
		t.Error("the ring heard of an error")
	}
}
