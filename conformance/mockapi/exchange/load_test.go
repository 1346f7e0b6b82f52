package exchange_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/kubelet"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi/exchange"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/file"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// A desk places and cancels orders without a pause, and records the responses.
type desk struct {
	*trader
	mount *kubelet.Volume
	cur   source.Key
	stop  context.CancelFunc
	wg    sync.WaitGroup
	next  atomic.Int64
	done  []atomic.Int64 // trades, by worker

	mu     sync.Mutex
	orders []string // confirmed
	failed []string
}

func openDesk(t *testing.T, name string) *desk {
	t.Helper()
	e := newExchange(t, name)
	api := mockapi.New(t, append(e.Options(), mockapi.WithReplicas(2))...)
	key := api.Issue(mockapi.Spec{})
	m := mount(t, key)
	d := &desk{trader: newTrader(t, e, api, file.Dir(m.Dir()), profiles[name](), nil), mount: m, cur: key}
	const workers = 8
	ctx, stop := context.WithCancel(t.Context())
	d.stop, d.done = stop, make([]atomic.Int64, workers)
	for w := range workers {
		d.wg.Go(func() {
			for ctx.Err() == nil {
				d.trade(t.Context()) // not ctx: a trade that has begun finishes
				d.done[w].Add(1)
			}
		})
	}
	t.Cleanup(func() { stop(); d.wg.Wait() })
	return d
}

// trade places an order and cancels it.
func (d *desk) trade(ctx context.Context) {
	id := d.OrderID(int(d.next.Add(1)))
	err := d.place(ctx, id)
	if err == nil {
		err = d.cancel(ctx, id)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.failed = append(d.failed, id+": "+err.Error())
		return
	}
	d.orders = append(d.orders, id)
}

// more waits until every worker has begun and finished a trade since the call. Then
// no request is in flight that was sent before the call.
func (d *desk) more(t *testing.T) {
	t.Helper()
	for w := range d.done {
		want := d.done[w].Load() + 2
		await(t, "orders to go on", func() bool { return d.done[w].Load() >= want })
	}
}

// accepted waits for n more requests with the version to be accepted.
func (d *desk) accepted(t *testing.T, version string, n uint64) {
	t.Helper()
	was, _ := d.api.Count(version)
	await(t, "requests with "+version, func() bool { now, _ := d.api.Count(version); return now >= was+n })
}

// move mounts the key and waits until the ring has it.
func (d *desk) move(t *testing.T, key source.Key) {
	t.Helper()
	was := d.ring.Status().Current.Version
	swap(t, d.mount, key)
	d.cur = key
	await(t, "the ring to read the new key", func() bool { return d.ring.Status().Current.Version != was })
}

// close ends trading and compares the exchange's orders with the responses: no
// request failed, the exchange has each confirmed order once and no other, and each
// is canceled once.
func (d *desk) close(t *testing.T) {
	t.Helper()
	d.stop()
	d.wg.Wait()
	for _, text := range d.failed {
		t.Errorf("failed: %s", text)
	}
	count := make(map[string]int)
	for _, o := range d.Orders() {
		count[o.ClientID]++
		if o.Canceled != 1 {
			t.Errorf("%s was canceled %d times", o.ClientID, o.Canceled)
		}
	}
	for _, id := range d.orders {
		if count[id] != 1 {
			t.Errorf("%s is %d times in the books", id, count[id])
		}
	}
	if len(count) != len(d.orders) || len(d.orders) == 0 {
		t.Errorf("%d orders in the books, %d confirmed", len(count), len(d.orders))
	}
	if orders := d.Orders(); len(orders) != len(d.orders) {
		t.Errorf("%d orders applied, %d confirmed", len(orders), len(d.orders))
	}
}

// The key files change before the exchange knows the new key. Orders fall back to
// the old key, and use the new key when it is activated and the old one is deleted.
// F26, F49, F50, F59, F60, F66, F67
func TestRotationFilesFirst(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		d := openDesk(t, name)
		old := d.cur
		d.accepted(t, old.Version, 5)
		next := d.api.Issue(mockapi.Spec{Inactive: true})
		d.move(t, next)
		d.more(t) // with the old key
		if err := d.api.Activate(next.Version); err != nil {
			t.Fatal(err)
		}
		if !profiles[name]().Lockout { // with a lockout the first probe comes after 20 s, or when the old key is refused
			d.accepted(t, next.Version, 5)
		}
		d.more(t) // wait for requests that were sent before the activation
		if err := d.api.Revoke(old.Version); err != nil {
			t.Fatal(err)
		}
		d.accepted(t, next.Version, 5)
		d.close(t)
		if _, refused := d.api.Count(next.Version); refused == 0 {
			t.Error("the new key was never refused: nothing was tried")
		}
	})
}

// The exchange accepts the new key first, and the old key too during the overlap.
// The old key is deleted while orders are in flight. F49, F50, F59, F66, F68
func TestRotationExchangeFirst(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		d := openDesk(t, name)
		for range 3 {
			old := d.cur
			d.accepted(t, old.Version, 5)
			next := d.api.Rotate(time.Hour)
			d.accepted(t, old.Version, 5)
			d.move(t, next)
			d.accepted(t, next.Version, 5)
			if err := d.api.Revoke(old.Version); err != nil {
				t.Fatal(err)
			}
			d.more(t)
		}
		d.close(t)
	})
}

// The exchange refuses the old key before the files have the new one, and orders
// wait for it. On Binance, whose refusals are ambiguous, orders do not wait; there
// the test writes the files first, though the ring may not have read them. F61, F66, F67
func TestRotationWithoutOverlap(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		d := openDesk(t, name)
		for range 2 {
			old := d.cur
			d.accepted(t, old.Version, 5)
			if name == "binance" {
				d.cur = d.api.Issue(mockapi.Spec{})
				swap(t, d.mount, d.cur)
				if err := d.api.Revoke(old.Version); err != nil {
					t.Fatal(err)
				}
				d.accepted(t, d.cur.Version, 5)
				d.more(t)
				continue
			}
			_, was := d.api.Count(old.Version)
			next := d.api.Rotate(0)
			await(t, "a refusal", func() bool { _, n := d.api.Count(old.Version); return n > was })
			d.move(t, next)
			d.accepted(t, next.Version, 5)
			d.more(t)
		}
		d.close(t)
	})
}

// Binance without overlap, with the new key late in the files: the caller gets the
// refusal, no order is lost or sent twice, and trading goes on with the new key. F61, F65
func TestBinanceWithoutOverlap(t *testing.T) {
	e := newExchange(t, "binance")
	api := mockapi.New(t, e.Options()...)
	m := mount(t, api.Issue(mockapi.Spec{}))
	b := newTrader(t, e, api, file.Dir(m.Dir()), profiles["binance"](), nil)
	if err := b.place(t.Context(), "rk-1"); err != nil {
		t.Fatal(err)
	}
	next := api.Rotate(0)
	if err := b.place(t.Context(), "rk-2"); err == nil || !strings.Contains(err.Error(), "-2015") {
		t.Errorf("with a dead key: %v", err)
	}
	was := b.ring.Status().Current.Version
	swap(t, m, next)
	await(t, "the ring to read the new key", func() bool { return b.ring.Status().Current.Version != was })
	if err := b.place(t.Context(), "rk-2"); err != nil {
		t.Error(err)
	}
	if orders := e.Orders(); len(orders) != 2 || orders[1].Version != "v2" {
		t.Errorf("%+v", orders)
	}
}

// With a nonce window at the exchange, requests with the same key are sent
// concurrently. F49, F50
func TestNonceWindow(t *testing.T) {
	const workers, each = 8, 20
	e := newExchange(t, "kraken", exchange.WithNonceWindow(10_000))
	api := mockapi.New(t, e.Options()...)
	b := newTrader(t, e, api, keys{api.Issue(mockapi.Spec{})}, profiles["kraken"](provider.NonceWindow()), nil)
	var arrived atomic.Int64
	together := make(chan struct{})
	api.Intercept(func(_ http.ResponseWriter, r *http.Request, _ mockapi.Attempt) bool {
		if arrived.Add(1) == workers {
			close(together)
		}
		select {
		case <-together:
		case <-r.Context().Done():
		case <-time.After(10 * time.Second):
			t.Error("requests wait for each other")
		}
		return false
	})
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				if err := b.place(t.Context(), e.OrderID(w*each+i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(e.Orders()); n != workers*each {
		t.Errorf("%d orders", n)
	}
}
