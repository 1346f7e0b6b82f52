package exchange

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
)

// An Exchange simulates one exchange. It is the [mockapi.Authenticator], the
// [mockapi.Refuser] and the http.Handler of one [mockapi.API], whose Reset does
// not reset the Exchange. It is safe for concurrent use.
type Exchange struct {
	venue *venue
	cfg   config

	mu     sync.Mutex
	nonces map[string]*nonces // by key id
	used   map[string]bool    // values of claim.once
	bad    []time.Time        // recent attempts with a bad key
	locked time.Time          // end of the lockout
	orders []Order
	byID   map[string][]int // indexes in orders, by client order id
}

var (
	_ mockapi.Authenticator = (*Exchange)(nil)
	_ mockapi.Refuser       = (*Exchange)(nil)
	_ http.Handler          = (*Exchange)(nil)
)

// Option is an option of [New].
type Option func(*config)

type config struct {
	kind        Kind
	skew        time.Duration
	nonceWindow uint64
	nonceFloor  uint64
	timeNonces  bool
	lockAfter   int
	lockPer     time.Duration
	lockFor     time.Duration
}

// WithKind sets the kind of the keys that the mock API issues. Default: [ECDSA] for
// coinbasecdp, [HMAC] for all others.
func WithKind(k Kind) Option { return func(c *config) { c.kind = k } }

// WithSkew sets the exchange's clock ahead of the machine's by d, or behind it if d
// is negative. The Date header of refusals shows the exchange's time. Default: 0.
func WithSkew(d time.Duration) Option { return func(c *config) { c.skew = d } }

// WithNonceWindow allows nonces that are up to n lower than the highest nonce of
// the key, each once. Kraken has such a window for clients with concurrent
// requests. Default: 0, each nonce must be higher than all before.
func WithNonceWindow(n uint64) Option { return func(c *config) { c.nonceWindow = n } }

// WithNoncesFrom refuses nonces up to n for every key, as if another client had
// used the key up to nonce n. Default: 0.
func WithNoncesFrom(n uint64) Option { return func(c *config) { c.nonceFloor = n } }

// WithTimeNonces makes the keys' nonces the time in seconds, within 30 s of the exchange's,
// as Gemini has them for some keys. They may repeat. Default: nonces must grow.
func WithTimeNonces() Option { return func(c *config) { c.timeNonces = true } }

// WithLockout makes the exchange refuse all requests, also with good keys, for the
// duration period after n attempts with a bad key or signature within the duration
// per. Attempts during a lockout do not count. Default: no lockout.
func WithLockout(n int, per, period time.Duration) Option {
	return func(c *config) { c.lockAfter, c.lockPer, c.lockFor = n, per, period }
}

// Names returns the sorted names that [New] accepts: "bitvavo", and the names of
// the exchanges' profiles in package transport/provider.
func Names() []string {
	names := make([]string, 0, len(venues))
	for _, v := range venues {
		names = append(names, v.name)
	}
	slices.Sort(names)
	return names
}

// New returns the exchange of that name. It fails if there is no such exchange, or
// if the exchange has no keys of the kind given with [WithKind].
func New(name string, opts ...Option) (*Exchange, error) {
	i := slices.IndexFunc(venues, func(v *venue) bool { return v.name == name })
	if i < 0 {
		return nil, fmt.Errorf("exchange: unknown exchange %q: Names lists those there are", name)
	}
	e := &Exchange{
		venue:  venues[i],
		nonces: make(map[string]*nonces), used: make(map[string]bool), byID: make(map[string][]int),
	}
	e.cfg.kind = e.venue.kinds[0]
	for _, opt := range opts {
		if opt != nil { // F125
			opt(&e.cfg)
		}
	}
	if !slices.Contains(e.venue.kinds, e.cfg.kind) {
		return nil, fmt.Errorf("exchange: %s has no keys of the kind given with WithKind", name)
	}
	return e, nil
}

// Name returns the exchange's name.
func (e *Exchange) Name() string { return e.venue.name }

// Options returns the options that make a mock API simulate this exchange:
//
//	api := mockapi.New(t, append(e.Options(), mockapi.WithReplicas(3))...)
func (e *Exchange) Options() []mockapi.Option {
	return []mockapi.Option{mockapi.WithAuth(e), mockapi.WithHandler(e), mockapi.WithGenerator(e.generate)}
}

// generate makes the nth key.
func (e *Exchange) generate(n int) mockapi.Spec {
	// A new ID each time, because schemes keep the last nonce of each ID for the
	// life of the process.
	id := e.venue.idPrefix + "key-" + strconv.Itoa(n) + "-" + rand.Text()[:8]
	spec := mockapi.Spec{ID: id, Secret: newSecret(e.cfg.kind, e.venue.base64)}
	if e.venue.passphrase {
		spec.Extra = map[string]string{"passphrase": mockapi.Sentinel + rand.Text()[:12]}
	}
	return spec
}

// now returns the exchange's time.
func (e *Exchange) now() time.Time { return time.Now().Add(e.cfg.skew) }
