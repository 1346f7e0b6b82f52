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

// An Exchange plays one exchange: it is a mockapi.Authenticator and
// mockapi.Refuser, and the http.Handler that keeps the books. It is for one
// mockapi.API, whose Reset does not empty its books, and safe for concurrent use.
type Exchange struct {
	venue *venue
	cfg   config

	mu     sync.Mutex
	nonces map[string]*nonces // by key id
	used   map[string]bool    // what may be used once, and was
	bad    []time.Time        // recent attempts with a bad key
	locked time.Time          // until when everything is refused
	orders []Order
	byID   map[string][]int // indexes in orders, by client order id
}

var (
	_ mockapi.Authenticator = (*Exchange)(nil)
	_ mockapi.Refuser       = (*Exchange)(nil)
	_ http.Handler          = (*Exchange)(nil)
)

// Option sets how an exchange is played.
type Option func(*config)

type config struct {
	kind        Kind
	skew        time.Duration
	nonceWindow uint64
	nonceFloor  uint64
	lockAfter   int
	lockPer     time.Duration
	lockFor     time.Duration
}

// WithKind sets what the keys that are issued look like. Default: the first of
// what the exchange takes, which is [HMAC] but for coinbasecdp, where it is [ECDSA].
func WithKind(k Kind) Option { return func(c *config) { c.kind = k } }

// WithSkew puts the exchange's clock ahead of the machine's by d, or behind it.
// Refusals say so in their Date header. Default 0.
func WithSkew(d time.Duration) Option { return func(c *config) { c.skew = d } }

// WithNonceWindow lets a nonce be up to n below the highest one seen of its key,
// each once, as Kraken's nonce window does for clients with several requests
// under way. Default 0: each has to be higher than all before.
func WithNonceWindow(n uint64) Option { return func(c *config) { c.nonceWindow = n } }

// WithNoncesFrom makes the nonces of every key begin above n, as if another client
// had used it up to there. Default 0.
func WithNoncesFrom(n uint64) Option { return func(c *config) { c.nonceFloor = n } }

// WithLockout makes the exchange refuse everything, good keys too, for the time
// period after n bad keys or signatures within per. Bad keys that come while it
// is locked do not count. Default: never.
func WithLockout(n int, per, period time.Duration) Option {
	return func(c *config) { c.lockAfter, c.lockPer, c.lockFor = n, per, period }
}

// Names returns what [New] takes, sorted: the Profile names of the exchanges in
// transport/provider, and "bitvavo".
func Names() []string {
	names := make([]string, 0, len(venues))
	for _, v := range venues {
		names = append(names, v.name)
	}
	slices.Sort(names)
	return names
}

// New returns the exchange of that name. An error says that there is none, or
// that it does not take keys of the kind asked for.
func New(name string, opts ...Option) (*Exchange, error) {
	i := slices.IndexFunc(venues, func(v *venue) bool { return v.name == name })
	if i < 0 {
		return nil, fmt.Errorf("exchange: no exchange is called %q", name)
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
		return nil, fmt.Errorf("exchange: %s does not take keys of this kind", name)
	}
	return e, nil
}

// Name returns the exchange's name.
func (e *Exchange) Name() string { return e.venue.name }

// Options returns what makes a mock API this exchange:
//
//	api := mockapi.New(t, append(e.Options(), mockapi.WithReplicas(3))...)
func (e *Exchange) Options() []mockapi.Option {
	return []mockapi.Option{mockapi.WithAuth(e), mockapi.WithHandler(e), mockapi.WithGenerator(e.generate)}
}

// generate makes the nth key.
func (e *Exchange) generate(n int) mockapi.Spec {
	// An id of its own for each run: a client counts nonces by id for as long as
	// its process lives.
	id := e.venue.idPrefix + "key-" + strconv.Itoa(n) + "-" + rand.Text()[:8]
	spec := mockapi.Spec{ID: id, Secret: newSecret(e.cfg.kind, e.venue.base64)}
	if e.venue.passphrase {
		spec.Extra = map[string]string{"passphrase": mockapi.Sentinel + rand.Text()[:12]}
	}
	return spec
}

// now is the exchange's time.
func (e *Exchange) now() time.Time { return time.Now().Add(e.cfg.skew) }
