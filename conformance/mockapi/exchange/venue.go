package exchange

import (
	"net/http"
	"net/url"
	"slices"
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
	orderID    string // prefix of client order IDs; "0" means that they are numbers
	// window is how far a request's timestamp may be from the exchange's time, as
	// documented; 0 if requests have a nonce or an expiry time instead.
	window time.Duration
	// credentials are the headers that the log redacts.
	credentials []string
	// read reads the credentials of a request. login, if not nil, reads those of a
	// WebSocket login message in the body.
	read, login func(*request) claim
	// message makes the WebSocket's answer to a login of an answer to a request: of {}
	// for a success, else of the body of a refusal with that status.
	message func(status int, body string) string
	// payload, if not nil, returns the JSON parameters of an exchange that has them
	// outside the body.
	payload func(*request) string
	actions map[actionKind]action
	// reads are the paths of further GETs that a read-only key may send. Their reply is that
	// of the action read.
	reads   []string
	answers answers
	// elsewhere has the answers that differ below a path, such as "/sapi/".
	elsewhere map[string]answers
}

var venues = []*venue{
	&binance, &kraken, &coinbaseExchange, &coinbaseCDP, &okx, &bybit, &kucoin, &gemini, &bitfinex, &deribit, &bitmex,
	&gate, &bitvavo,
}

// actionKind is what a request does.
type actionKind int

const (
	other  actionKind = iota
	place             // an order
	cancel            // an order, by its client order ID
	read              // anything that a read-only key may do
)

// An action is one endpoint with its request and its response.
type action struct {
	method string
	// path may contain {id} for the client order ID.
	path string
	in   encoding
	// params are further parameters, in the form of a query.
	params string
	// id is the parameter with the client order ID. In JSON, "name[]" is a list of
	// that one ID.
	id string
	// reply is the body of a success, with {id} for the client order ID.
	reply string
}

// encoding says where an action's parameters are.
type encoding int

const (
	inQuery encoding = iota
	inForm
	inJSON
)

// match returns what q does, and the client order ID.
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
	if q.Method == http.MethodGet && slices.Contains(v.reads, q.path) {
		return read, ""
	}
	return other, ""
}

// read returns the client order ID from a request's parameters.
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

// isLogin reports whether r has a WebSocket login message; see [LoginPath].
func isLogin(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Path == LoginPath }
