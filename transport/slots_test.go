package transport_test

import (
	"net/http"
	"runtime"
	"testing"

	"github.com/rollingkeys/rollingkeys/transport"
)

// A transport that is garbage collected releases its slot in the ring. The
// twenty-thousandth transport costs as much as the first, and the ring still serves
// those that are left.
//
// F116
func TestTransportsGiveTheirSlotBack(t *testing.T) {
	s := newStore("v1")
	ring := keep(t, s)
	opts := []transport.Option{transport.WithBase(takes("v1")), transport.WithRecycle()}
	kept := unbound(ring, transport.Bearer(), opts...)
	live := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	make1000 := func() {
		for range 1000 {
			rt := unbound(ring, transport.Header("X-Api-Key"), opts...)
			if rt.Err() != nil {
				t.Fatal(rt.Err())
			}
		}
	}
	make1000()
	before := live()
	for range 19 {
		make1000()
	}
	eventually(t, "19,000 transports to let go of all but 1 MiB", func() bool { return live() < before+1<<20 })
	move(t, ring, s, "v2", "v1") // prepared for those that are left
	send(t, kept, get(t, "https://a.example")).want(t, http.StatusOK, "v1", 2)
	another := unbound(ring, transport.Header("X-Api-Key"), transport.WithBase(roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Header.Get("X-Api-Key") == "" || len(r.Header) != 1 {
			t.Errorf("%d headers", len(r.Header))
		}
		return status(http.StatusOK), nil
	})))
	send(t, another, get(t, "https://b.example")).want(t, http.StatusOK, "v1", 1)
	runtime.KeepAlive(kept)
}
