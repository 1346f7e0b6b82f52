// Package proxy makes a bad network between a source and its store. It is a module
// of its own: what it needs must not be on the list of those who use a source.
package proxy

import (
	"bytes"
	"encoding/json"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

// A Proxy stands between a source and its store, and fails on demand.
type Proxy struct {
	Addr  string // host:port on loopback; stays the same
	t     testing.TB
	proxy *toxiproxy.Proxy
}

// New returns a proxy to the server at upstream that ends with the test.
func New(t testing.TB, upstream string) *Proxy {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := &Proxy{t: t, proxy: toxiproxy.NewProxy(server, t.Name(), "127.0.0.1:0", upstream)}
	if err := p.proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.proxy.Stop() })
	p.Addr = p.proxy.Listen
	return p
}

// Stop closes all connections, and refuses new ones until Start.
func (p *Proxy) Stop() { p.proxy.Stop() }

// Start ends what the other methods began.
func (p *Proxy) Start() {
	p.t.Helper()
	p.proxy.Toxics.ResetToxics(p.t.Context())
	if err := p.proxy.Start(); err != nil && err != toxiproxy.ErrProxyAlreadyStarted {
		p.t.Fatal(err)
	}
}

// Hang lets nothing through either way; connections stay open.
func (p *Proxy) Hang() {
	p.Toxic("timeout", "upstream", map[string]int{"timeout": 0})
	p.Toxic("timeout", "downstream", map[string]int{"timeout": 0})
}

// Slow delays what the store sends by so many milliseconds.
func (p *Proxy) Slow(milliseconds int) {
	p.Toxic("latency", "downstream", map[string]int{"latency": milliseconds})
}

// Reset resets every connection (RST), those that are open when something is
// sent and new ones at once.
func (p *Proxy) Reset() {
	p.Toxic("reset_peer", "downstream", map[string]int{"timeout": 0})
}

// Leaks is for goleak: a link of the proxy whose connection ends while a toxic is
// put in now and then waits for ever to hand its last bytes on
// (toxics.ToxicStub, v2.5.0). Nothing of a source runs below that function.
func Leaks() goleak.Option {
	return goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run")
}

// Toxic adds a toxic of toxiproxy's; Start takes it out.
func (p *Proxy) Toxic(kind, stream string, attributes map[string]int) {
	p.t.Helper()
	data, err := json.Marshal(map[string]any{"type": kind, "stream": stream, "attributes": attributes})
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.proxy.Toxics.AddToxicJson(bytes.NewReader(data)); err != nil {
		p.t.Fatal(err)
	}
}
