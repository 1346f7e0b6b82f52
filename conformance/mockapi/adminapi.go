package mockapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// maxAdminBody is the maximum length of a body that the admin API reads: 1 MiB.
const maxAdminBody = 1 << 20

// statusError is an error with the HTTP status that the admin API answers.
type statusError struct {
	status int
	err    error
}

func (e statusError) Error() string { return e.err.Error() }

func badRequest(err error) error { return statusError{http.StatusBadRequest, err} }

// adminHandler serves the admin API; `go doc ./cmd/mockapi` describes its calls.
func (a *API) adminHandler() http.Handler {
	mux := http.NewServeMux()
	get := func(path string, f func(*http.Request) (any, error)) {
		mux.HandleFunc("GET /admin/"+path, func(w http.ResponseWriter, r *http.Request) { reply(w, f, r) })
	}
	post := func(path string, f func(*http.Request) (any, error)) {
		mux.HandleFunc("POST /admin/"+path, func(w http.ResponseWriter, r *http.Request) { reply(w, f, r) })
	}
	change := func(path string, f func(wireChange) error) {
		post(path, func(r *http.Request) (any, error) {
			var c wireChange
			if err := decode(r, &c); err != nil {
				return nil, err
			}
			return struct{}{}, f(c)
		})
	}

	get("{$}", func(*http.Request) (any, error) { return a.addresses(), nil })
	post("issue", func(r *http.Request) (any, error) {
		var s wireSpec
		if err := decode(r, &s); err != nil {
			return nil, err
		}
		return toWireKey(a.Issue(s.spec())), nil
	})
	post("rotate", func(r *http.Request) (any, error) {
		var s wireSpec
		if err := decode(r, &s); err != nil {
			return nil, err
		}
		return toWireKey(a.rotate(s.spec(), s.overlap())), nil
	})
	change("activate", func(c wireChange) error { return a.Activate(c.Version, c.Replicas...) })
	change("deactivate", func(c wireChange) error { return a.Deactivate(c.Version, c.Replicas...) })
	change("expire", func(c wireChange) error { return a.Expire(c.Version, c.after()) })
	change("revoke", func(c wireChange) error { return a.Revoke(c.Version) })
	change("list", func(c wireChange) error { return a.List(c.Version) })
	change("unlist", func(c wireChange) error { return a.Unlist(c.Version) })
	change("hold", func(c wireChange) error { a.Hold(c.Version); return nil })
	change("release", func(c wireChange) error { a.holds.release(c.Version); return nil })
	post("replicas", a.adminReplicas)
	post("refusal", a.adminRefusal)
	post("answer", a.adminAnswer)
	post("reset", func(*http.Request) (any, error) { a.Reset(); return struct{}{}, nil })
	get("keys", a.adminKeys)
	get("requests", a.adminRequests)
	get("orders", func(*http.Request) (any, error) { return map[string]any{"orders": a.Orders()}, nil })
	get("counts", func(*http.Request) (any, error) { return a.counts(), nil })
	return mux
}

// addresses are the addresses of a running server. cmd/mockapi prints them as one
// line of JSON.
type addresses struct {
	URL      string `json:"url"`
	KeysURL  string `json:"keys_url"`
	AdminURL string `json:"admin_url"`
	CA       string `json:"ca_pem,omitempty"`
}

// addresses returns the server's addresses, for use by another process.
func (a *API) addresses() addresses {
	return addresses{URL: a.URL(), KeysURL: a.KeysURL(), AdminURL: a.AdminURL(), CA: string(a.CA())}
}

func (a *API) adminReplicas(r *http.Request) (any, error) {
	var in wireReplicas
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if in.Count < 1 || in.Count > 1000 {
		return nil, badRequest(errors.New("count must be between 1 and 1000"))
	}
	a.SetReplicas(in.Count)
	return struct{}{}, nil
}

func (a *API) adminRefusal(r *http.Request) (any, error) {
	var in wireRefusal
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	refusal, err := in.refusal()
	if err != nil {
		return nil, badRequest(err)
	}
	a.SetRefusal(refusal)
	return struct{}{}, nil
}

func (a *API) adminAnswer(r *http.Request) (any, error) {
	var in wireAnswer
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	answer, err := in.answer(Answer{})
	if err != nil {
		return nil, badRequest(err)
	}
	a.SetAnswer(answer)
	return struct{}{}, nil
}

func (a *API) adminKeys(*http.Request) (any, error) {
	states := []wireState{}
	for _, s := range a.Keys() {
		states = append(states, s.wire())
	}
	return map[string]any{"keys": states}, nil
}

// adminRequests answers with the attempts in the log. The query parameter after
// selects those with a greater Seq, the parameter version those with that version.
func (a *API) adminRequests(r *http.Request) (any, error) {
	query := r.URL.Query()
	var after uint64
	if query.Has("after") {
		var err error
		if after, err = strconv.ParseUint(query.Get("after"), 10, 64); err != nil {
			return nil, badRequest(errors.New("the query parameter after must be a number"))
		}
	}
	list := []Attempt{}
	for _, attempt := range a.Requests() {
		if attempt.Seq > after && (!query.Has("version") || attempt.Version == query.Get("version")) {
			list = append(list, attempt)
		}
	}
	return map[string]any{"requests": list}, nil
}

// counts are the numbers of accepted and refused attempts with one version.
type counts struct {
	Accepted uint64 `json:"accepted"`
	Refused  uint64 `json:"refused"`
}

// counts returns the counts of each version, and under "" those of attempts
// without a known key.
func (a *API) counts() map[string]counts {
	all := make(map[string]counts)
	for _, s := range a.Keys() {
		all[s.Key.Version] = counts{s.Accepted, s.Refused}
	}
	_, strangers := a.Count("")
	all[""] = counts{Refused: strangers}
	return all
}

// decode reads a JSON body into into. Unknown fields are an error; an empty body
// counts as {}.
func decode(r *http.Request, into any) error {
	dec := json.NewDecoder(io.LimitReader(r.Body, maxAdminBody))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil || err == io.EOF {
		return nil
	}
	var typ *json.UnmarshalTypeError
	if errors.As(err, &typ) { // its text may quote the value, which may be a secret
		err = fmt.Errorf("field %q has the wrong type", typ.Field)
	}
	return badRequest(fmt.Errorf("the body is not valid JSON for this call: %w", err))
}

// reply answers with the result of f in JSON, or with {"error": "..."}.
func reply(w http.ResponseWriter, f func(*http.Request) (any, error), r *http.Request) {
	status := http.StatusOK
	out, err := f(r)
	if err != nil {
		status = http.StatusBadRequest
		var se statusError
		switch {
		case errors.As(err, &se):
			status = se.status
		case errors.Is(err, ErrUnknownVersion):
			status = http.StatusNotFound
		}
		out = map[string]string{"error": err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out)
}
