package exchange

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A venue describes one exchange.
type venue struct {
	name       string
	kinds      []Kind // of key; the first is the default
	base64     bool   // shared secrets are base64
	passphrase bool
	idPrefix   string // of key ids
	orderID    string // what client order ids begin with; "0" means that they are numbers
	// window is how far a request's time may be from the exchange's, as
	// documented; 0 for those that go by a nonce or an expiry.
	window time.Duration
	// credentials are the headers that the log redacts.
	credentials []string
	// read finds the claim in a request; login, where there is one, in a
	// WebSocket login message, which comes as the body.
	read, login func(*request) claim
	// payload returns the parameters, in JSON, of an exchange that takes them
	// elsewhere than in the body.
	payload func(*request) string
	actions map[actionKind]action
	answers answers
}

var venues = []*venue{
	&binance, &kraken, &coinbaseExchange, &coinbaseCDP, &okx, &bybit, &kucoin, &gemini, &bitfinex, &deribit, &bitmex,
	&gate, &bitvavo,
}

// actionKind is what a request asks for.
type actionKind int

const (
	other  actionKind = iota
	place             // an order
	cancel            // an order, by its client order id
	read              // what a read-only key may see
)

// An action is one endpoint: how a bot asks for it, and what the answer is.
type action struct {
	method string
	// path may have {id} in it for the client order id.
	path string
	in   encoding
	// params are further parameters, as a query.
	params string
	// id names the parameter that is the client order id; in JSON, "name[]" is a
	// list with the one id in it.
	id string
	// reply is the answer to a success, with {id} for the client order id.
	reply string
}

// encoding says where an action's parameters are.
type encoding int

const (
	inQuery encoding = iota
	inForm
	inJSON
)

// match returns what r asks for, and the client order id.
func (v *venue) match(q *request) (kind actionKind, id string) {
	for kind, a := range v.actions {
		if q.Method != a.method {
			continue
		}
		before, after, inPath := strings.Cut(a.path, "{id}")
		if !inPath {
			if q.path == a.path {
				return kind, a.read(v, q)
			}
			continue
		}
		rest, ok := strings.CutPrefix(q.path, before)
		if id, ok2 := strings.CutSuffix(rest, after); ok && ok2 && id != "" && !strings.Contains(id, "/") {
			if id, err := url.PathUnescape(id); err == nil {
				return kind, id
			}
		}
	}
	return other, ""
}

// read returns the client order id among a request's parameters.
func (a action) read(v *venue, q *request) string {
	if a.id == "" {
		return ""
	}
	raw := q.query
	switch a.in {
	case inForm:
		raw = q.body
	case inJSON:
		text := q.body
		if v.payload != nil {
			text = v.payload(q)
		}
		return textOf(object(text)[strings.TrimSuffix(a.id, "[]")])
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return ""
	}
	return values.Get(a.id)
}

// isLogin reports whether r brings a WebSocket login message; see [LoginPath].
func isLogin(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Path == LoginPath }
