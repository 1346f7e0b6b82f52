package sdks

import (
	"context"
	"net/http"
	"testing"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// An sdk is one SDK and its API.
type sdk struct {
	name, module string
	// profile says how the API takes a key.
	profile provider.Profile
	// pair says that a key has more than a secret, so that the file is a key document.
	pair bool
	// auth is the Authenticator of the mock. Default: mockapi.Bearer.
	auth mockapi.Authenticator
	// options returns further options of the mock, such as those of an exchange.
	options func(testing.TB) []mockapi.Option
	// refusal is the API's response to a bad key. Default: mockapi.Unauthorized.
	refusal *mockapi.Refusal
	// refused is a text in the SDK's error when every key is refused. Default: "401".
	refused string
	// answer answers accepted requests. Default: 200 with the JSON "{}".
	answer http.HandlerFunc
	// use makes the SDK's client over c. base connects to the mock, for an SDK that
	// sends requests itself and only gets the key from c.
	use func(base *http.Transport, c *client.Client) calls
	// overlap says that the server accepts both keys until the file has the new one:
	// with this API, requests cannot wait for the source.
	overlap bool
	// background is the prefix of the path of requests that the SDK sends by itself,
	// which do not count as calls. Empty if it sends none.
	background string
	// http1 says that the SDK does not support HTTP/2.
	http1 bool
	// small says that the SDK can send only a few bytes of text.
	small bool
	// note is a remark for the page.
	note string
}

// calls are the calls that the drill makes through an SDK. They are safe for
// concurrent use.
type calls struct {
	// read makes a call without a body; nil if the SDK has none.
	read func(context.Context) error
	// write makes a call with text in its body; nil if the SDK has none.
	write func(ctx context.Context, text string) error
	// close frees what the SDK has started; may be nil.
	close func() error
}

// sdks are the SDKs of this build.
var sdks []sdk

// dummy is the key for SDKs that need one. It must not reach the server. plain is for
// SDKs that accept only letters and digits.
const (
	dummy = "sentinel-dummy-0"
	plain = "sentineldummy0"
)
