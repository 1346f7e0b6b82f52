package exchange

import (
	"net/http"
	"slices"
	"time"

	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
)

// Authenticate checks a request in this order: lockout, key, timestamp, signature,
// nonce, scope.
func (e *Exchange) Authenticate(r *http.Request, body func() ([]byte, error), keys mockapi.Keys) (string, *mockapi.Refusal) {
	data, err := body()
	if err != nil {
		return "", e.refuse(r, badSignature) // without the whole body the signature cannot be verified
	}
	q := newRequest(r, data, e.now(), e.venue.window)
	read := e.venue.read
	if isLogin(r) {
		read = e.venue.login
	}
	var c claim
	if read != nil {
		c = read(q)
	}
	version, f := e.judge(q, c, keys)
	if f == fine {
		return version, nil
	}
	return version, e.refuse(r, f)
}

func (e *Exchange) judge(q *request, c claim, keys mockapi.Keys) (version string, f fault) {
	found := keys.ByID(c.id)
	if len(found) > 0 {
		version = found[0].Version
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.lockedOut():
		return version, locked
	case c.id == "":
		return "", e.count(missing)
	case len(found) == 0:
		return "", e.count(badKey)
	case c.late:
		return version, stale
	case !q.ascii():
		return version, e.count(badSignature)
	}
	// Several versions have the same ID if a rotation changes the secret only.
	var key source.Key
	for i, k := range found {
		fault := c.check(k)
		if fault == fine {
			key, f = k, fine
			break
		}
		if i == 0 {
			f = fault
		}
	}
	if f != fine {
		return version, e.count(f)
	}
	if c.hasNonce && e.cfg.timeNonces {
		if e.now().Sub(time.Unix(int64(c.nonce), 0)).Abs() > 30*time.Second {
			return key.Version, badNonce
		}
	} else if c.hasNonce {
		n := e.nonces[c.id]
		if n == nil {
			n = &nonces{window: e.cfg.nonceWindow, highest: e.cfg.nonceFloor}
			e.nonces[c.id] = n
		}
		if !n.use(c.nonce) {
			return key.Version, badNonce
		}
	}
	if c.once != "" {
		if e.used[c.once] {
			return key.Version, badNonce
		}
		e.used[c.once] = true
	}
	if need := e.scope(q); need != "" && len(key.Scopes) > 0 && !slices.Contains(key.Scopes, need) {
		return key.Version, forbidden
	}
	return key.Version, fine
}

// scope returns the scope that the request needs; "" for a login.
func (e *Exchange) scope(q *request) string {
	if isLogin(q.Request) {
		return ""
	}
	if a, _ := e.venue.match(q); a == place || a == cancel {
		return "trade"
	}
	return "read"
}

// Refuse returns the exchange's refusal of an unknown key: real exchanges do not tell
// revoked and inactive keys from unknown ones. Bybit tells an expired one.
func (e *Exchange) Refuse(r *http.Request, reason mockapi.Reason) *mockapi.Refusal {
	f := badKey
	if reason == mockapi.ReasonExpired {
		f = expired
	}
	e.mu.Lock()
	f = e.count(f)
	e.mu.Unlock()
	return e.refuse(r, f)
}

// Credentials returns the headers and query parameters that the log redacts.
func (e *Exchange) Credentials() (headers, params []string) {
	return e.venue.credentials, []string{"signature"}
}

// count records an attempt with a bad key, which may begin a lockout, and returns
// f. The caller holds mu.
func (e *Exchange) count(f fault) fault {
	if e.cfg.lockAfter <= 0 || !f.counts() {
		return f
	}
	now := time.Now()
	e.bad = slices.DeleteFunc(e.bad, func(t time.Time) bool { return now.Sub(t) >= e.cfg.lockPer })
	if e.bad = append(e.bad, now); len(e.bad) >= e.cfg.lockAfter {
		e.bad, e.locked = nil, now.Add(e.cfg.lockFor)
	}
	return f
}

func (e *Exchange) lockedOut() bool { return time.Now().Before(e.locked) }
