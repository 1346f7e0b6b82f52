package conformance

import (
	"context"
	"net/http"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
)

// An APIAdmin gives [TestAPI] control over the keys of the server under test.
type APIAdmin struct {
	// Accept makes the server accept exactly these keys, sent as "Authorization:
	// Bearer SECRET"; without keys, none. The change must apply to every request
	// that begins after Accept has returned.
	Accept func(ctx context.Context, keys ...source.Key) error
	// Logged returns the entries of the server's log for the requests with the
	// X-Request-Id id, in order: the version of the accepted key, or "" for a
	// refusal. It may wait until the log is written. If Logged is nil, the case
	// Log must be in Skip.
	Logged func(ctx context.Context, id string) ([]string, error)
	// Client sends the requests. The suite does not repeat a failed request, so a
	// server that cuts connections while it is reconfigured needs a client that
	// does. Default: a client with a transport of its own.
	Client *http.Client
	// Skip maps the names of cases that do not apply to the reasons.
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

// TestAPI tests the server at baseURL, such as a mock or a gateway: it must accept
// the keys given to Accept and refuse all others with 401. With a good key the
// server must answer 200 to GET, POST, PUT and DELETE on any path.
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

// APIResults runs the cases of [TestAPI] and returns their results. A failed case
// does not fail t.
func APIResults(t testing.TB, baseURL string, admin APIAdmin) []Result {
	var results []Result
	for _, c := range apiCases {
		results = append(results, judge(t, c.Case, func(t testing.TB) { c.try(t, baseURL, admin) }))
	}
	return results
}

func (c apiCase) try(t testing.TB, baseURL string, admin APIAdmin) {
	if reason := admin.Skip[c.Name]; reason != "" {
		t.Skip(reason)
	}
	t.Log(c.Doc)
	turn(t, false)
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
	{Case{"Accepts", "A request with a live key gets 200 with any method."}, apiAccepts},
	{Case{"RefusesNone", "A request without a key gets 401, with a challenge (RFC 9110 section 15.5.2)."}, apiRefusesNone},
	{Case{"RefusesOthers", "A value similar to a live key is refused: another letter case, a part, a wildcard."}, apiRefusesOthers},
	{Case{"TwoLive", "Two keys can be live at the same time."}, apiTwoLive},
	{Case{"Drop", "A dropped key is refused at once, on open connections too, and the other key is still accepted."}, apiDrop},
	{Case{"Return", "A dropped key can become live again."}, apiReturn},
	{Case{"Undisturbed", "While keys change, no request fails whose key stays live."}, apiUndisturbed},
	{Case{"NoEcho", "A refusal does not show the key."}, apiNoEcho},
	{Case{"Log", "The server's log has the key version of each request."}, apiLog},
	{Case{"Rotation", "Through a ring and a transport no request fails during rotations, whether the source or the server changes first."}, apiRotation},
}
