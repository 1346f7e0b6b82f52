package soak_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/rollingkeys/rollingkeys/transport"
)

// clients is how many clients a track has. Each sends one request after the other.
const clients = 6

// kind is a kind of request, as a kind of program sends it.
type kind int

const (
	get       kind = iota
	head           // HEAD
	order          // a POST
	keyed          // a POST with an Idempotency-Key
	once           // a POST whose body cannot be read again
	download       // a GET whose response comes in pieces
	upload         // a POST with a large body
	impatient      // a GET or a POST with a short deadline, or that is canceled
	retrying       // a GET, or a POST with an Idempotency-Key, through go-retryablehttp
)

// plans are the kinds of requests that the clients of a track send in turn: that of the
// first client and that of the others.
var plans = [2][]kind{
	{download, order, get, upload, keyed, get},
	{get, order, get, keyed, impatient, get, retrying, get, head, order, get, keyed, once, get, order, retrying, get, impatient, get, keyed},
}

// A request is one request and what became of it.
type request struct {
	kind    kind
	id      string
	post    bool
	ctx     context.Context
	patient bool // the context ends later than any answer should take
	once    bool // the body cannot be read again
	retried bool // the client repeats it after a temporary failure

	begun, ended time.Time
	status       int
	err          error
	over         error  // of the context, when the request ended
	version      string // the server's name of the version that the transport reported
	attempts     int    // as the transport reported
	moved        bool
}

// patience is how long a client waits for an answer at most, but for an impatient one.
const patience = 30 * time.Second

// body returns the body of the order or upload with this ID.
func (q *request) body() string {
	n := 1000
	if q.kind == upload {
		n = 300 << 10 // more than net/http reads of a body that its handler does not read
	}
	return payload(q.id, n)
}

func payload(id string, n int) string { return id + strings.Repeat(".", n) }

// send sends one request after the other until stop, and waits for the last.
func (k *track) send(stop <-chan struct{}, client int) {
	plan := plans[min(client, 1)]
	always := make(chan time.Time)
	close(always)
	next := (<-chan time.Time)(always)
	if k.goal.beat > 0 {
		pace := time.NewTicker(k.goal.beat)
		defer pace.Stop()
		next = pace.C
	}
	for n := client; ; n++ {
		select {
		case <-stop:
			return
		case <-next:
		}
		number := k.goal.sent.Add(1)
		q := &request{kind: plan[n%len(plan)], id: k.name + "-" + strconv.Itoa(client) + "-" + strconv.FormatInt(number, 10)}
		k.process.RLock()
		k.request(q)
		ok := k.settle(q, client)
		k.process.RUnlock()
		if !ok {
			select { // do not fill a time in which every request fails at once with such requests
			case <-stop:
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
}

// request sends q and reads the response.
func (k *track) request(q *request) {
	var cancel context.CancelFunc
	q.ctx, cancel = q.context()
	defer cancel()
	ctx, seen := transport.Observe(q.ctx)
	q.begun = time.Now()
	q.status, q.err = k.do(ctx, q)
	q.ended, q.over = time.Now(), q.ctx.Err()
	k.mu.Lock()
	q.version = k.labels[seen.Version()]
	k.mu.Unlock()
	q.attempts, q.moved = seen.Attempts(), seen.Moved()
}

// context returns the context of q. An impatient client's ends soon, mostly before the
// answer.
func (q *request) context() (context.Context, context.CancelFunc) {
	q.patient = q.kind != impatient
	switch ctx := context.Background(); {
	case q.patient:
		return context.WithTimeout(ctx, patience)
	case rand.IntN(3) == 0:
		return context.WithTimeout(ctx, time.Second+rand.N(time.Second))
	case rand.IntN(2) == 0:
		return context.WithTimeout(ctx, rand.N(5*time.Millisecond))
	default:
		ctx, cancel := context.WithCancel(ctx)
		timer := time.AfterFunc(rand.N(5*time.Millisecond), cancel)
		return ctx, func() { timer.Stop(); cancel() }
	}
}

var (
	errAnswer   = errors.New("the response is that of another request")
	errProtocol = errors.New("the response came over another protocol")
	errRequest  = errors.New("resp.Request is not the client's request")
)

// do sends q and returns the status of the response, whose body it has read.
func (k *track) do(ctx context.Context, q *request) (status int, err error) {
	req, err := k.make(ctx, q)
	if err != nil {
		return 0, err
	}
	resp, err := k.perform(req, q)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return resp.StatusCode, err
	case resp.ProtoMajor != k.lane.major():
		return 0, fmt.Errorf("%w: %s", errProtocol, resp.Proto)
	case q.kind != retrying && resp.Request != req:
		return 0, errRequest
	case resp.StatusCode != http.StatusOK:
		return resp.StatusCode, nil
	}
	want := q.id
	switch q.kind {
	case head:
		want = ""
	case download:
		want = strings.Repeat(want, pieces)
	}
	if resp.Header.Get("Echo") != q.id || string(answer) != want {
		return 0, errAnswer
	}
	return resp.StatusCode, nil
}

func (k *track) perform(req *http.Request, q *request) (*http.Response, error) {
	if q.kind != retrying {
		q.retried = k.retries && (!q.post || req.Header.Get("Idempotency-Key") != "") && !q.once
		return k.client.Do(req)
	}
	q.retried = true
	again, err := retryablehttp.FromRequest(req)
	if err != nil {
		return nil, err
	}
	return k.retrying.Do(again)
}

// make makes the HTTP request.
func (k *track) make(ctx context.Context, q *request) (*http.Request, error) {
	method, path, body := http.MethodGet, "/balance", io.Reader(nil)
	switch q.kind {
	case head:
		method = http.MethodHead
	case download:
		path = "/download"
	case order, keyed, once, upload:
		q.post = true
	case impatient, retrying:
		q.post = rand.IntN(2) == 0
	}
	if q.kind == once && !k.signs {
		q.once = true
	}
	if q.post {
		method, path, body = http.MethodPost, "/orders", bytes.NewReader([]byte(q.body()))
		if q.once {
			body = struct{ io.Reader }{body} // http.NewRequest does not know it, and sets no GetBody
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, k.url+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Request-Id", q.id)
	if q.kind == keyed || q.kind == retrying && q.post {
		req.Header.Set("Idempotency-Key", q.id)
	}
	switch q.kind {
	case upload:
		req.Header.Set("Upload", "yes")
	case impatient:
		req.Header.Set("Impatient", "yes")
	}
	return req, nil
}
