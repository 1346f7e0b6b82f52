package conformance

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// A TransportHarness gives [TestTransport] the RoundTripper under test.
type TransportHarness struct {
	// New returns a RoundTripper that puts the current key of keys on requests,
	// as "Authorization: Bearer SECRET", and sends them through base. It must
	// work until the test t ends; clean up with t.Cleanup. New is called for each
	// case and protocol, for both protocols at the same time. When refresh returns,
	// rt must use the key that is current in keys; refresh is nil if rt calls
	// [Keys.Current] for each request.
	New func(t testing.TB, keys *Keys, base http.RoundTripper) (rt http.RoundTripper, refresh func())
	// Limit is how long a case waits for a condition before it fails. Default: 10 s.
	// A shorter limit saves time where cases are known to fail, as in a comparison.
	// A request may take twice as long.
	Limit time.Duration
	// Skip maps the names of cases that do not apply to the reasons.
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
	// only, if not empty, is the one protocol over which the case runs.
	only string
	// alone says that no other case may run at the same time: the case measures the heap.
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

// TestTransport tests a RoundTripper over HTTP/1.1 and HTTP/2: that it keeps the
// contract of http.RoundTripper, that it sends the key to its own origin only,
// and that no request fails during a rotation. See [TransportCases].
func TestTransport(t *testing.T, h TransportHarness) {
	t.Helper()
	var names []string
	for _, c := range transportCases {
		names = append(names, c.Name)
	}
	checkSkip(t, h.Skip, names)
	// The cases that run alone come last: until then others may run beside this test.
	others := slices.DeleteFunc(slices.Clone(transportCases), func(c transportCase) bool { return c.alone })
	alone := slices.DeleteFunc(slices.Clone(transportCases), func(c transportCase) bool { return !c.alone })
	for _, c := range slices.Concat(others, alone) {
		t.Run(c.Name, func(t *testing.T) {
			for _, protocol := range c.protocols() {
				// go test -run splits names at slashes.
				t.Run(strings.ReplaceAll(protocol, "/", ""), func(t *testing.T) {
					t.Parallel()
					c.try(t, h, protocol)
				})
			}
		})
	}
}

// TransportResults runs the cases of [TestTransport] and returns one result for
// each case and protocol. A failed case does not fail t.
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

func (c transportCase) try(t testing.TB, h TransportHarness, protocol string) {
	if reason := h.Skip[c.Name]; reason != "" {
		t.Skip(reason)
	}
	t.Log(c.Doc)
	turn(t, c.alone)
	c.run(newTransportTrial(t, h, protocol))
}

func transports(name, doc string, run func(*transportTrial)) transportCase {
	return transportCase{Case: Case{name, doc}, run: run}
}

var transportCases = []transportCase{
	// The contract of http.RoundTripper.
	transports("Unchanged", "The caller's request is not changed, and can be sent again after a rotation.", unchanged),
	transports("NilHeader", "A request without a header map is sent.", nilHeader),
	transports("ClosesBody", "The request's body is closed, whether the request succeeds or fails.", closesBody),
	transports("OneResult", "RoundTrip returns either a response or an error.", oneResult),
	transports("KeepsRefusal", "If GetBody fails, the caller gets the whole refusal.", keepsRefusal),
	transports("Reuse", "Refusals are drained, so that connections are reused.", reuse),
	transports("EndlessRefusal", "A refusal whose body never ends does not delay the caller.", endlessRefusal),
	{Case: Case{"Streams", "Request and response bodies are streamed and not held in memory."}, run: streams, alone: true},
	transports("NoGetBody", "A body without GetBody is sent once, and the caller gets the whole response.", noGetBody),
	transports("WholeBody", "A body that is sent again has the same bytes.", wholeBody),
	transports("RewoundBody", "A body is sent whole even if GetBody rewinds the reader that the refused attempt still reads.", rewoundBody),
	transports("SameRequest", "A request that is sent again differs in nothing but the key.", sameRequest),
	transports("Trailer", "Trailers set at the end of the body reach the server.", trailer),
	transports("ExpectContinue", "Expect: 100-continue works, with and without a refusal.", expectContinue),
	{Case: Case{"Upgrade", "After 101 Switching Protocols the body can be written to."}, run: upgrade, only: HTTP1},
	transports("LongAnswer", "A response body can be read whole after RoundTrip has returned and the key has changed.", longAnswer),
	transports("Cancel", "A request whose context has ended is not sent again and returns soon, even while it waits for a key.", cancelBetween),
	transports("ResponseRequest", "resp.Request does not contain the key.", responseRequest),
	transports("CloseIdle", "CloseIdleConnections calls that of the base.", closeIdle),
	transports("Stacked", "Two such RoundTrippers, one around the other, send one Authorization value.", stacked),
	transports("Concurrent", "Concurrent requests succeed during rotations.", concurrentRequests),
	transports("Early", "A 1xx response reaches the caller's httptrace.", early),
	transports("ErrorSecrecy", "An error of the base that quotes the request is returned without the key.", errorSecrecy),

	// The origin of the key.
	transports("Redirect", "A redirect to another origin is followed without the key.", redirectElsewhere),
	transports("RedirectBack", "A redirect back from another origin is followed without the key.", redirectBack),
	transports("RedirectWithin", "A redirect within the origin is followed with the key.", redirectWithin),
	transports("OtherOrigin", "A request to another origin is sent without the key, or not at all.", otherOrigin),
	transports("Lookalikes", "Hosts, ports and schemes similar to those of the key's origin do not get the key.", lookalikes),
	transports("PlainHTTP", "The key is not sent over plain http, except to loopback.", plainHTTP),

	// Rotation.
	transports("Switch", "The next request uses the new key.", switches),
	transports("SourceFirst", "No request fails while the server does not know the new key yet.", sourceFirst),
	transports("SourceFirstPost", "No POST fails either, and each is applied once and whole.", sourceFirstPost),
	transports("ServerFirst", "No request fails when the server drops the old key first: the request waits for the source.", serverFirst),
	transports("OneReading", "Requests that are refused at the same time share one reading of the source, and all succeed.", oneReading),
	transports("LateRefusal", "A late refusal of the old key is answered with the new key, which stays current.", lateRefusal),
	transports("TwoRotations", "After two rotations a request falls back to either of the two previous keys.", twoRotations),
	transports("Rollback", "No request fails when the source returns to the previous key.", rollsBack),
	transports("AllRefused", "When every key is refused, callers get the refusals, and attempts are not multiplied.", allRefused),
	transports("NotTheKey", "A failure that is no refusal of the key is returned unchanged, and the request is sent once.", notTheKey),
	transports("AppliedOnce", "A POST that was applied is not applied again, whether it was refused or its response was lost.", appliedOnce),
}
