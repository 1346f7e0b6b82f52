package mockapi

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// The headers of the mock API. In a request, ReplicaHeader selects the replica.
// In a response, ReplicaHeader is the replica that received the request, and
// VersionHeader the version whose credentials the request carried, or empty.
const (
	VersionHeader = "Mock-Version"
	ReplicaHeader = "Mock-Replica"
)

// serveAPI authenticates a request, logs it, and answers it.
func (a *API) serveAPI(w http.ResponseWriter, r *http.Request) {
	body := newRecorder(a, r)
	// F38: change a copy only. net/http looks at the Body of its own request to
	// tell whether it still has to send 100 Continue.
	r = r.WithContext(r.Context())
	r.Body = body
	replica, ok := a.pickReplica(r)
	if !ok {
		http.Error(w, "mockapi: the header Mock-Replica names no replica of this server", http.StatusBadRequest)
		return
	}
	keys := view{life: &a.life, replica: replica, at: now()}
	version, refusal := a.cfg.auth.Authenticate(r, body.whole, keys)
	reason := keys.judge(version, refusal != nil)
	attempt := a.record(r, body, keys, version, reason)
	w.Header().Set(VersionHeader, attempt.Version)
	w.Header().Set(ReplicaHeader, strconv.Itoa(replica))
	rw := &responseWriter{ResponseWriter: w, api: a, attempt: body.attempt, ctx: r.Context()}
	w = rw.writer(r)
	defer body.note() // logs the length of a body that is not read to its end

	if !a.holds.pass(r.Context(), attempt.Version) {
		panic(http.ErrAbortHandler) // returning would make net/http send 200
	}
	switch f := a.intercept.Load(); {
	case f != nil && (*f)(w, r, attempt):
	case reason == "" && a.cfg.handler != nil:
		a.hand(rw, w, r)
	case reason == "":
		a.accept(w, r, body, attempt)
	default:
		a.refuse(w, r, body, a.shape(r, refusal, reason))
	}
	rw.note(http.StatusOK) // net/http sends 200 if nothing was written
}

// pickReplica returns the replica given in ReplicaHeader, else the next in turn.
// It returns false if there is no such replica.
func (a *API) pickReplica(r *http.Request) (int, bool) {
	a.life.mu.RLock()
	n := a.life.replicas
	a.life.mu.RUnlock()
	if name := r.Header.Get(ReplicaHeader); name != "" {
		i, err := strconv.Atoi(name)
		return i, err == nil && i >= 0 && i < n
	}
	return int((a.turn.Add(1) - 1) % uint64(n)), true
}

// record logs the request and returns a copy of the entry.
func (a *API) record(r *http.Request, body *recorder, keys view, version string, reason Reason) Attempt {
	header, path, query := a.logged(r)
	entry := &Attempt{
		Time: keys.at, Method: r.Method, Host: r.Host, Path: path, Query: query, Proto: r.Proto,
		Version: version, Replica: keys.replica, Accepted: reason == "", Reason: reason,
		ContentLength: r.ContentLength, TransferEncoding: r.TransferEncoding, Header: header,
	}
	a.log.add(entry)
	body.attempt = entry
	body.note()
	var attempt Attempt
	a.log.update(func() { attempt = *entry })
	return attempt
}

// shape returns the refusal to send: that of the Authenticator, or the server's.
func (a *API) shape(r *http.Request, own *Refusal, reason Reason) Refusal {
	if own == nil {
		if f, ok := a.cfg.auth.(Refuser); ok {
			own = f.Refuse(r, reason)
		}
	}
	if own == nil {
		own = a.refusal.Load()
	}
	return *own
}

func (a *API) refuse(w http.ResponseWriter, r *http.Request, body *recorder, refusal Refusal) {
	if refusal.Applied {
		if a.apply(r, body) != nil {
			panic(http.ErrAbortHandler)
		}
	} else if refusal.ReadBody && body.readAll() != nil {
		panic(http.ErrAbortHandler)
	}
	a.Refuse(w, r, refusal)
}

// hand calls the handler of WithHandler, with the Delay and Drip of SetAnswer.
func (a *API) hand(rw *responseWriter, w http.ResponseWriter, r *http.Request) {
	answer := a.answer.Load()
	if !pause(r.Context(), answer.Delay) {
		panic(http.ErrAbortHandler) // returning would make net/http send 200
	}
	if r.Method != http.MethodHead {
		rw.drip = answer.Drip
	}
	a.cfg.handler.ServeHTTP(w, r)
}

// accept applies the request and answers it with the body of SetAnswer, or else
// with the echo.
func (a *API) accept(w http.ResponseWriter, r *http.Request, body *recorder, attempt Attempt) {
	if err := a.apply(r, body); err != nil {
		http.Error(w, "mockapi: the request body could not be read to its end", http.StatusBadRequest)
		return
	}
	answer := *a.answer.Load()
	if answer.Body == "" {
		w.Header().Set("Content-Type", "application/json")
		data, _ := json.Marshal(echo{
			Method: attempt.Method, Path: attempt.Path, Version: attempt.Version, Replica: attempt.Replica,
			Attempt: attempt.Seq, BodyBytes: body.n,
		})
		answer.Body = string(data) + "\n"
	}
	answer.send(w, r)
}

// echo is the default response to an accepted request.
type echo struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Version   string `json:"version"`
	Replica   int    `json:"replica"`
	Attempt   uint64 `json:"attempt"`
	BodyBytes int64  `json:"body_bytes"`
}
