package soak_test

import (
	"fmt"
	"net/http"
	"time"
)

// settle compares the outcome of q with the server's record, and reports whether q was
// served.
func (k *track) settle(q *request, client int) (served bool) {
	served = q.err == nil && q.status == http.StatusOK
	if !served {
		k.settleFailed(q, k.ledger.gaveUp(q.id))
	}
	e := entry{}
	if served {
		e = k.ledger.served(q.id)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.figures.requests++
	if !served {
		return false
	}
	k.last[client] = q.version
	if q.moved {
		k.figures.moved++
	}
	want := 0
	if q.post {
		want = 1
		k.figures.orders++
	}
	wrong := ""
	switch last := e.last(); {
	case q.version == "" || last.version != q.version || last.verdict != taken:
		k.figures.wrong++
		wrong = "the version is wrong"
	case e.applied < want:
		k.figures.lost++
		wrong = "the order is lost"
	case e.applied > want:
		k.figures.twice++
		wrong = "the order was applied twice"
	case k.attempts && e.broken == 0 && len(e.attempts) != q.attempts:
		k.figures.failed++
		wrong = "the number of attempts is wrong"
	case len(e.attempts) > most*(1+e.broken):
		k.figures.failed++
		wrong = "too many attempts"
	default:
		return true
	}
	k.show(fmt.Sprintf("%s, kind %d: %s: the transport reported version %q and %d attempts; the server recorded %v",
		q.id, q.kind, wrong, q.version, q.attempts, e))
	return true
}

// settleFailed looks for an excuse for a request that failed.
func (k *track) settleFailed(q *request, e entry) {
	k.printed.look(fmt.Sprint(q.err))
	if q.status == http.StatusUnauthorized && q.ended.Sub(q.begun) >= refusalWait {
		k.history.vain.Store(&q.ended)
	}
	x, ok := k.history.excuse(q, e)
	if !ok { // what became of other requests may matter, whose clients note it now
		<-time.After(100 * time.Millisecond)
		x, ok = k.history.excuse(q, e)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if ok {
		k.figures.excused[x]++
		return
	}
	k.fail(fmt.Sprintf("%s at %s, kind %d: status %d, %v, after %v and %d attempts, the last with %s; the server recorded %v",
		q.id, q.ended.Format("05.000"), q.kind, q.status, q.err, q.ended.Sub(q.begun), q.attempts, q.version, e))
}

// total reports the failures of the track and returns its figures.
func (k *track) total() figures {
	k.t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	after, twice := k.ledger.rest()
	if after > 0 {
		k.fail(fmt.Sprintf("the server got attempts of %d requests that had already ended", after))
	}
	k.figures.twice += twice
	f := k.figures
	for _, text := range k.failed {
		k.printed.look(text)
		k.t.Errorf("%s: %s", k.name, text)
	}
	if f.failed+f.wrong+f.lost+f.twice+f.leaks > 0 {
		k.t.Errorf("%s: %d failed without an excuse, %d with a wrong version, %d orders lost, %d applied twice, %d leaks",
			k.name, f.failed, f.wrong, f.lost, f.twice, f.leaks)
	}
	k.t.Logf("%s: %d requests, %d rotations, steps: %v", k.name, f.requests, f.rotations, k.taken)
	return f
}
