package conformance

import (
	"context"
	"net/http"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
)

// An APIAdmin says how [TestAPI] drives a server with a key life.
type APIAdmin struct {
	// Accept makes the server accept these keys and no others, none if there are none, as
	// "Authorization: Bearer SECRET". When it returns, the change is in force for
	// every request that begins from then on.
	Accept func(ctx context.Context, keys ...source.Key) error
	// Logged returns what the server noted of the requests with this
	// X-Request-Id, in order: the key's version, or "" where it refused. It may
	// wait for the log to be written. Nil: the case Log must be in Skip.
	Logged func(ctx context.Context, id string) ([]string, error)
	// Client sends the requests, each of them once: what fails has failed. A
	// server that cuts connections while it is being reconfigured wants one that
	// sees to that. Default a client with settings of its own.
	Client *http.Client
	// Skip names the cases that do not apply, each with the reason.
	Skip map[string]string
}

type apiCase struct {
	Case
	run func(*apiTrial)
}

// APICases lists the cases of [TestAPI], in order.
func APICases() []Case {
	var list []Case
	for _, c := range apiCases {
		list = append(list, c.Case)
	}
	return list
}

// TestAPI holds the server at baseURL, a mock or a gateway, to what the rest of
// the project takes a server for: it accepts some keys and refuses all others
// with 401. Any path must answer 200 to GET and POST with a good key.
func TestAPI(t *testing.T, baseURL string, admin APIAdmin) {
	t.Helper()
	var names []string
	for _, c := range apiCases {
		names = append(names, c.Name)
	}
	checkSkip(t, admin.Skip, names)
	for _, c := range apiCases {
		t.Run(c.Name, func(t *testing.T) { c.try(t, baseURL, admin) })
	}
}

// APIResults runs the cases of [TestAPI] as data: a failure is a result, and no
// failure of t's.
func APIResults(t testing.TB, baseURL string, admin APIAdmin) []Result {
	var results []Result
	for _, c := range apiCases {
		results = append(results, judge(t, c.Case, func(t testing.TB) { c.try(t, baseURL, admin) }))
	}
	return results
}

// try runs one case.
func (c apiCase) try(t testing.TB, baseURL string, admin APIAdmin) {
	if reason := admin.Skip[c.Name]; reason != "" {
		t.Skip(reason)
	}
	t.Log(c.Doc)
	need(t, "Accept", admin.Accept != nil)
	s := &apiTrial{TB: t, admin: admin, client: admin.Client, url: baseURL}
	if s.client == nil {
		own := &http.Transport{MaxIdleConnsPerHost: 16}
		t.Cleanup(own.CloseIdleConnections)
		s.client = &http.Client{Transport: own}
	}
	c.run(s)
}

var apiCases = []apiCase{
	{Case{"Accepts", "A request with a live key gets 200, whatever its method."}, apiAccepts},
	{Case{"RefusesNone", "A request without a key gets 401, with a challenge (RFC 9110 section 15.5.2)."}, apiRefusesNone},
	{Case{"RefusesOthers", "A key that is nearly a live one is refused: another letter case, a part, a wildcard."}, apiRefusesOthers},
	{Case{"TwoLive", "Two keys can be live at the same time."}, apiTwoLive},
	{Case{"Drop", "A key that is dropped is refused at once, on open connections too, and the other still accepted."}, apiDrop},
	{Case{"Return", "A key that was dropped can come back."}, apiReturn},
	{Case{"Undisturbed", "Changes fail no request whose key stays live."}, apiUndisturbed},
	{Case{"NoEcho", "A refusal does not show the key."}, apiNoEcho},
	{Case{"Log", "The server's log names the version that each request carried."}, apiLog},
	{Case{"Rotation", "A ring and a transport go through rotations, source first and server first, with no failed request."}, apiRotation},
}
