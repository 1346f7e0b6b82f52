package transport_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// exampleAPI is a server that accepts one key.
func exampleAPI(good string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+good {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, "hello")
	}))
}

// exampleSource lists a new key, which the server does not accept yet, and the one
// before it.
type exampleSource struct{}

func (exampleSource) Read(context.Context) (source.Set, error) {
	return source.Set{Complete: true, Keys: []source.Key{
		{Version: "v2", Secret: source.NewSecret("new")},
		{Version: "v1", Secret: source.NewSecret("old")},
	}}, nil
}

// An http.Client puts the current key on its requests.
func ExampleNew() {
	api := exampleAPI("secret")
	defer api.Close()
	keys, err := ring.Keep(context.Background(), source.Static(source.Key{Secret: source.NewSecret("secret")}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer keys.Close()

	client := &http.Client{Transport: transport.New(keys, transport.Bearer(), transport.WithOrigin(api.URL))}
	resp, err := client.Get(api.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	fmt.Println(resp.Status, string(body))
	// Output: 200 OK hello
}

// The server does not accept the new key yet. So the request is sent again with the key
// before it, and the observation reports this.
func ExampleObserve() {
	api := exampleAPI("old")
	defer api.Close()
	keys, err := ring.Keep(context.Background(), exampleSource{}, ring.WithLogger(nil))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer keys.Close()
	client := &http.Client{Transport: transport.New(keys, transport.Bearer(), transport.WithOrigin(api.URL))}

	ctx, seen := transport.Observe(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, api.URL, strings.NewReader("order"))
	if err != nil {
		fmt.Println(err)
		return
	}
	resp, err := client.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode, seen.Version(), seen.Attempts(), seen.Moved())
	// Output: 200 v1 2 true
}

// This API answers 403 to a bad key, and to other errors that its body names.
func ExampleWithClassifier() {
	classifier := func(a *transport.Answer) transport.Verdict {
		if a.Status == http.StatusForbidden && strings.Contains(string(a.Body()), "API_KEY_INVALID") {
			return transport.Refused
		}
		return transport.RFC6750(a)
	}
	for _, body := range []string{`{"reason":"API_KEY_INVALID"}`, `{"reason":"QUOTA"}`} {
		fmt.Println(classifier(transport.NewAnswer(http.StatusForbidden, nil, []byte(body))) == transport.Refused)
	}
	// Output:
	// true
	// false
}

// Reads use a read-only key, all other requests the trading key.
func ExampleRoute() {
	keep := func(version string) *ring.Ring {
		keys, err := ring.Keep(context.Background(), source.Static(source.Key{Version: version, Secret: source.NewSecret("secret")}))
		if err != nil {
			panic(err)
		}
		return keys
	}
	reading, trading := keep("reading"), keep("trading")
	defer reading.Close()
	defer trading.Close()
	api := exampleAPI("secret")
	defer api.Close()

	origin := transport.WithOrigin(api.URL)
	client := &http.Client{Transport: transport.Route(
		transport.Rule{Match: transport.Methods(http.MethodGet), Transport: transport.New(reading, transport.Bearer(), origin)},
		transport.Rule{Transport: transport.New(trading, transport.Bearer(), origin)},
	)}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		ctx, seen := transport.Observe(context.Background())
		req, _ := http.NewRequestWithContext(ctx, method, api.URL, nil)
		resp, err := client.Do(req)
		if err != nil {
			fmt.Println(err)
			return
		}
		resp.Body.Close()
		fmt.Println(method, seen.Version())
	}
	// Output:
	// GET reading
	// POST trading
}

// An SDK sets the header itself, to whatever key it was given. WithOverride replaces
// it.
func ExampleWithOverride() {
	api := exampleAPI("secret")
	defer api.Close()
	keys, err := ring.Keep(context.Background(), source.Static(source.Key{Secret: source.NewSecret("secret")}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer keys.Close()

	client := &http.Client{Transport: transport.New(keys, transport.Bearer(), transport.WithOrigin(api.URL), transport.WithOverride())} // for the SDK
	req, _ := http.NewRequest(http.MethodGet, api.URL, nil)
	req.Header.Set("Authorization", "Bearer unused") // by the SDK
	resp, err := client.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output: 200 OK
}

// A WebSocket library takes a header: its handshake falls back like any request.
func ExampleTransport_Middleware() {
	api := exampleAPI("old")
	defer api.Close()
	live, err := ring.Keep(context.Background(), exampleSource{}, ring.WithLogger(nil))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer live.Close()
	keys := transport.New(live, transport.Bearer(), transport.WithOrigin(api.URL))
	// dial stands for the library: it sends the handshake with a header.
	dial := func(url string, header http.Header) (*http.Response, error) {
		req, _ := http.NewRequest(http.MethodGet, url, nil)
		req.Header = header
		return http.DefaultClient.Do(req)
	}

	req, _ := http.NewRequest(http.MethodGet, api.URL, nil)
	resp, err := keys.Middleware(req, func(out *http.Request) (*http.Response, error) {
		return dial(out.URL.String(), out.Header)
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output: 200 OK
}

// An HTTP library has hooks: Sign in the hook before a request is sent, Done in the
// hook after it.
func ExampleTransport_Sign() {
	api := exampleAPI("old")
	defer api.Close()
	live, err := ring.Keep(context.Background(), exampleSource{}, ring.WithLogger(nil))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer live.Close()
	keys := transport.New(live, transport.Bearer(), transport.WithOrigin(api.URL))

	req, _ := http.NewRequest(http.MethodGet, api.URL, nil)
	signed, err := keys.Sign(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	for again := true; again; {
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
			fmt.Println(signed.Version(), resp.StatusCode)
		}
		again = signed.Done(resp, err) && signed.Again(req) == nil
	}
	// Output:
	// v2 401
	// v1 200
}
