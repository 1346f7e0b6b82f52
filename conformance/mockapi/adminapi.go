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

// adminHandler serves the admin API: see calls.
func (a *API) adminHandler() http.Handler {
	mux := http.NewServeMux()
	for _, c := range a.calls() {
		path := "/admin/" + c.name
		if c.name == "" {
			path += "{$}"
		}
		mux.HandleFunc(c.method+" "+path, func(w http.ResponseWriter, r *http.Request) { reply(w, c.serve, r) })
	}
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

func (a *API) adminReplicas(in wireReplicas) (any, error) {
	if in.Count < 1 || in.Count > 1000 {
		return nil, badRequest(errors.New("count must be between 1 and 1000"))
	}
	a.SetReplicas(in.Count)
	return done{}, nil
}

func (a *API) adminRefusal(in wireRefusal) (any, error) {
	refusal, err := in.refusal()
	if err != nil {
		return nil, badRequest(err)
	}
	a.SetRefusal(refusal)
	return done{}, nil
}

func (a *API) adminAnswer(in wireAnswer) (any, error) {
	answer, err := in.answer(Answer{})
	if err != nil {
		return nil, badRequest(err)
	}
	a.SetAnswer(answer)
	return done{}, nil
}

func (a *API) adminKeys(*http.Request) (any, error) {
	states := []wireState{}
	for _, s := range a.Keys() {
		states = append(states, s.wire())
	}
	return wireKeys{states}, nil
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
	return wireRequests{list}, nil
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
