package conformance

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// A TransportHarness says how [TestTransport] makes the RoundTripper it tests.
type TransportHarness struct {
	// New returns a RoundTripper that puts the current key of keys on requests,
	// as "Authorization: Bearer SECRET", and sends them through base. It ends
	// with the test: clean up with t.Cleanup. refresh makes it take up the
	// current key before it returns; nil where it asks for the key at each request.
	New func(t testing.TB, keys *Keys, base http.RoundTripper) (rt http.RoundTripper, refresh func())
	// Limit is how long a case waits for what must come before it has failed; a request
	// has 10 s in any case. Default 10 s; what is known to fail, as in a comparison,
	// wants less.
	Limit time.Duration
	// Skip names the cases that do not apply, each with the reason.
	Skip map[string]string
}

// The protocols over which each case runs.
const (
	HTTP1 = "HTTP/1.1"
	HTTP2 = "HTTP/2"
)

type transportCase struct {
	Case
	run func(*transportTrial)
	// only, where it is not empty, names the one protocol that can do it.
	only string
	// alone: no other case of the program is under way.
	alone bool
}

func (c transportCase) protocols() []string {
	if c.only != "" {
		return []string{c.only}
	}
	return []string{HTTP1, HTTP2}
}

// TransportCases lists the cases of [TestTransport], in order.
func TransportCases() []Case {
	var list []Case
	for _, c := range transportCases {
		list = append(list, c.Case)
	}
	return list
}

// TestTransport holds a RoundTripper to the contract of http.RoundTripper, to
// the origin of its key, and to the promise that a rotation fails no request,
// over HTTP/1.1 and HTTP/2; see [TransportCases].
func TestTransport(t *testing.T, h TransportHarness) {
	t.Helper()
	var names []string
	for _, c := range transportCases {
		names = append(names, c.Name)
	}
	checkSkip(t, h.Skip, names)
	for _, c := range transportCases {
		t.Run(c.Name, func(t *testing.T) {
			for _, protocol := range c.protocols() {
				// A slash would be taken for another level of subtests.
				t.Run(strings.ReplaceAll(protocol, "/", ""), func(t *testing.T) { c.try(t, h, protocol) })
			}
		})
	}
}

// TransportResults runs the cases of [TestTransport] as data: a failure is a
// result, and no failure of t's. There is one result for each case and protocol.
func TransportResults(t testing.TB, h TransportHarness) []Result {
	var results []Result
	for _, c := range transportCases {
		for _, protocol := range c.protocols() {
			r := judge(t, c.Case, func(t testing.TB) { c.try(t, h, protocol) })
			r.Protocol = protocol
			results = append(results, r)
		}
	}
	return results
}

// try runs one case over one protocol.
func (c transportCase) try(t testing.TB, h TransportHarness, protocol string) {
	if reason := h.Skip[c.Name]; reason != "" {
		t.Skip(reason)
	}
	t.Log(c.Doc)
	if c.alone {
		heap.Lock()
		defer heap.Unlock()
	} else {
		heap.RLock()
		defer heap.RUnlock()
	}
	c.run(newTransportTrial(t, h, protocol))
}

// heap is what all cases of a program share, and one of them measures.
var heap sync.RWMutex

func transports(name, doc string, run func(*transportTrial)) transportCase {
	return transportCase{Case: Case{name, doc}, run: run}
}

var transportCases = []transportCase{
	// The contract of http.RoundTripper.
	transports("Unchanged", "The caller's request stays as it is, and may be sent again after a rotation.", unchanged),
	transports("NilHeader", "A request without a header map is sent.", nilHeader),
	transports("ClosesBody", "The request's body is closed, whatever becomes of the request.", closesBody),
	transports("OneResult", "There is a response or an error, never both, never neither.", oneResult),
	transports("KeepsRefusal", "If the body cannot be had again, the caller gets the refusal whole.", keepsRefusal),
	transports("Reuse", "Refused answers are read or closed so that connections are used again.", reuse),
	transports("EndlessRefusal", "A refusal without an end keeps nobody waiting.", endlessRefusal),
	{Case: Case{"Streams", "A body goes out while it is being written, an answer comes in while it is read: neither is held in memory."}, run: streams, alone: true},
	transports("NoGetBody", "A body that cannot be had again is sent once, and the caller gets the answer whole.", noGetBody),
	transports("WholeBody", "A body that is sent again is the same, byte for byte.", wholeBody),
	transports("RewoundBody", "Nor is a body torn or empty whose GetBody rewinds the reader that the refused attempt still reads.", rewoundBody),
	transports("SameRequest", "A request that is sent again differs in the key and in nothing else.", sameRequest),
	transports("Trailer", "Trailers that are set at the body's end arrive.", trailer),
	transports("ExpectContinue", "Expect: 100-continue works, refused or not.", expectContinue),
	{Case: Case{"Upgrade", "After 101 Switching Protocols the body can be written to."}, run: upgrade, only: HTTP1},
	transports("LongAnswer", "A response's body is whole, read long after the return and over a rotation.", longAnswer),
	transports("Cancel", "A request whose context has ended is not sent again, and is over soon, whether it is out or waits for a key.", cancelBetween),
	transports("ResponseRequest", "No key is found in resp.Request.", responseRequest),
	transports("CloseIdle", "CloseIdleConnections reaches the base.", closeIdle),
	transports("Stacked", "Two of them, one on the other, put one value on the request.", stacked),
	transports("Concurrent", "Requests from many goroutines go through rotations unharmed.", concurrentRequests),
	transports("Early", "A 1xx answer before the answer reaches the caller's trace.", early),
	transports("ErrorSecrecy", "An error of the base's that quotes the request is passed on without the key.", errorSecrecy),

	// The origin of the key.
	transports("Redirect", "A redirect to another origin is followed without the key.", redirectElsewhere),
	transports("RedirectBack", "Coming back from another origin does not bring the key back.", redirectBack),
	transports("RedirectWithin", "A redirect within the origin keeps the key.", redirectWithin),
	transports("OtherOrigin", "A request to another origin does not get the key.", otherOrigin),
	transports("Lookalikes", "Hosts, ports and schemes that merely look like the key's do not get it.", lookalikes),
	transports("PlainHTTP", "The key does not go over plain http to a host that is not loopback.", plainHTTP),

	// Rotation.
	transports("Switch", "From the next request on, a new key is used.", switches),
	transports("SourceFirst", "A new key that the server does not know yet fails no request.", sourceFirst),
	transports("SourceFirstPost", "Nor a POST, which is applied once and whole.", sourceFirstPost),
	transports("ServerFirst", "A server that moved before the source fails no request: it waits for the source.", serverFirst),
	transports("OneReading", "Requests that are refused together read the source once, and all are answered.", oneReading),
	transports("LateRefusal", "A request that the old key was refused for, late, is answered with the new one, which stays.", lateRefusal),
	transports("TwoRotations", "After two rotations a request falls back to whichever of the two keys before is good.", twoRotations),
	transports("Rollback", "Going back to the key before fails no request.", rollsBack),
	transports("AllRefused", "With every key refused the answers go back, and requests are not multiplied.", allRefused),
	transports("NotTheKey", "An answer that is not about the key goes back as it is, and the request is sent once.", notTheKey),
	transports("AppliedOnce", "A POST that was applied, and refused or its answer lost, is not applied again.", appliedOnce),
}
