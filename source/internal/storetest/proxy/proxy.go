// Package proxy simulates a bad network between a source and its store. It is a module of its
// own, so that users of a source do not depend on toxiproxy.
package proxy

import (
	"bytes"
	"encoding/json"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

// A Proxy is between a source and its store, and fails on demand.
type Proxy struct {
	Addr  string // host:port on loopback; stays the same
	t     testing.TB
	proxy *toxiproxy.Proxy
}

// New starts a proxy to the server at upstream. The proxy ends with the test.
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

// Stop closes all connections and refuses new ones until Start.
func (p *Proxy) Stop() { p.proxy.Stop() }

// Start ends the effect of all other methods.
func (p *Proxy) Start() {
	p.t.Helper()
	p.proxy.Toxics.ResetToxics(p.t.Context())
	if err := p.proxy.Start(); err != nil && err != toxiproxy.ErrProxyAlreadyStarted {
		p.t.Fatal(err)
	}
}

// Hang stops the data in both directions. Connections stay open.
func (p *Proxy) Hang() {
	p.Toxic("timeout", "upstream", map[string]int{"timeout": 0})
	p.Toxic("timeout", "downstream", map[string]int{"timeout": 0})
}

// Slow delays what the store sends.
func (p *Proxy) Slow(milliseconds int) {
	p.Toxic("latency", "downstream", map[string]int{"latency": milliseconds})
}

// Reset resets connections (RST): open ones when the store sends something, and new ones at
// once.
func (p *Proxy) Reset() {
	p.Toxic("reset_peer", "downstream", map[string]int{"timeout": 0})
}

// VerifyTestMain is goleak.VerifyTestMain, but ignores goroutines of the proxy. If a
// connection ends while a toxic is added or removed, the goroutines of a link of toxiproxy
// v2.5.0 sometimes hang: between them are channels that nobody reads any more. No code of
// a source runs in them.
func VerifyTestMain(m goleak.TestingM, options ...goleak.Option) {
	const toxiproxy = "github.com/Shopify/toxiproxy/v2"
	goleak.VerifyTestMain(m, append(options,
		goleak.IgnoreAnyFunction(toxiproxy+"/toxics.(*ToxicStub).Run"),
		goleak.IgnoreAnyFunction(toxiproxy+".(*ToxicLink).read"),
		goleak.IgnoreAnyFunction(toxiproxy+".(*ToxicLink).write"))...)
}

// Toxic adds a toxic of toxiproxy. Start removes it.
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
