package mockapi

import (
	"net/http"
	"time"
)

// A call is one call of the admin API. The handler, the list of endpoints and the OpenAPI
// document are all made from the calls.
type call struct {
	method, name string   // the path is /admin/ and the name
	does         string   // what it does, for the list
	query        []string // the names of its query parameters
	in, out      any      // a value of the type of the request's and the response's body; a nil in: none
	serve        func(*http.Request) (any, error)
}

// done is the answer of a call that returns nothing: {}.
type done struct{}

// calls returns the calls of the admin API.
func (a *API) calls() []call {
	get := func(name, does string, out any, serve func(*http.Request) (any, error), query ...string) call {
		return call{http.MethodGet, name, does, query, nil, out, serve}
	}
	change := func(name, does string, f func(wireChange) error) call {
		return post(name, does, done{}, func(c wireChange) (any, error) { return done{}, f(c) })
	}
	return []call{
		get("", "Returns the addresses, and this list of endpoints.", index{}, func(*http.Request) (any, error) { return a.index(), nil }),
		get("openapi.json", "Returns the OpenAPI 3.1 description of all endpoints.", map[string]any{},
			func(*http.Request) (any, error) { return a.openAPI(), nil }),
		post("issue", "Issues a key: random, if id, secret and extra are missing.", wireKey{},
			func(s wireSpec) (any, error) { return toWireKey(a.Issue(s.spec())), nil }),
		post("rotate", "Issues a key, and lets those in use expire after overlap.", wireKey{},
			func(s wireRotation) (any, error) { return toWireKey(a.rotate(s.spec(), time.Duration(s.Overlap))), nil }),
		change("activate", "Makes the replicas, all if none is given, accept the version.",
			func(c wireChange) error { return a.Activate(c.Version, c.Replicas...) }),
		change("deactivate", "Makes the replicas, all if none is given, refuse the version.",
			func(c wireChange) error { return a.Deactivate(c.Version, c.Replicas...) }),
		change("expire", "Lets the version expire after the duration after.",
			func(c wireChange) error { return a.Expire(c.Version, time.Duration(c.After)) }),
		change("revoke", "Refuses the version for good, and lists it as revoked.", func(c wireChange) error { return a.Revoke(c.Version) }),
		change("list", "Adds the version to the key document.", func(c wireChange) error { return a.List(c.Version) }),
		change("unlist", "Removes the version from the key document.", func(c wireChange) error { return a.Unlist(c.Version) }),
		change("hold", `Holds the responses to requests with the version; "": without a known key.`,
			func(c wireChange) error { a.Hold(c.Version); return nil }),
		change("release", "Sends the responses that are held.", func(c wireChange) error { a.holds.release(c.Version); return nil }),
		post("replicas", "Sets the number of replicas, from 1 to 1000.", done{}, a.adminReplicas),
		post("refusal", "Sets the response to refused requests.", done{}, a.adminRefusal),
		post("answer", "Sets the response to accepted requests.", done{}, a.adminAnswer),
		post("reset", "Returns the server to its state after the start.", done{}, func(done) (any, error) { a.Reset(); return done{}, nil }),
		get("keys", "Returns all keys, with their secrets and counts.", wireKeys{}, a.adminKeys),
		get("requests", "Returns the log: attempts with a seq above after, of that version.", wireRequests{}, a.adminRequests, "after", "version"),
		get("orders", "Returns the orders that were applied.", wireOrders{}, func(*http.Request) (any, error) { return wireOrders{a.Orders()}, nil }),
		get("counts", `Returns the accepted and refused attempts of each version; "": without a known key.`, map[string]counts{},
			func(*http.Request) (any, error) { return a.counts(), nil }),
	}
}

// post returns a call with a body of type T.
func post[T any](name, does string, out any, serve func(T) (any, error)) call {
	var in T
	return call{http.MethodPost, name, does, nil, in, out, func(r *http.Request) (any, error) {
		var in T
		if err := decode(r, &in); err != nil {
			return nil, err
		}
		return serve(in)
	}}
}

// index is the answer to GET /admin/.
type index struct {
	addresses
	Endpoints []endpoint `json:"endpoints"`
}

type endpoint struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	Does   string `json:"does"`
}

// index lists the endpoints of all three servers.
func (a *API) index() index {
	list := []endpoint{
		{"*", a.URL() + "/", "Checks the key of a request to any path, and answers with a JSON echo."},
		{http.MethodPost, a.URL() + "/orders", "Applies an order besides."},
		{http.MethodGet, a.KeysURL(), "Returns the key document; with ETag and Prefer: wait=N."},
	}
	for _, c := range a.calls() {
		list = append(list, endpoint{c.method, a.AdminURL() + c.name, c.does})
	}
	return index{a.addresses(), list}
}
