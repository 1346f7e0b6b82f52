package sdks

import (
	"context"
	"net/http"
	"testing"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// An sdk is one SDK and the API that it is for.
type sdk struct {
	name, module string
	// profile is how the API takes a key.
	profile provider.Profile
	// pair says that a key is more than a secret: the file is a key document.
	pair bool
	// auth is how the mock of the API finds the key. Default mockapi.Bearer.
	auth mockapi.Authenticator
	// options are further ones of the mock's, such as those of an exchange.
	options func(testing.TB) []mockapi.Option
	// refusal is the API's answer to a bad key. Default mockapi.Unauthorized.
	refusal *mockapi.Refusal
	// refused is what the SDK's error says when every key is refused. Default "401".
	refused string
	// answer answers an accepted request as the API does. Default "{}" in JSON.
	answer http.HandlerFunc
	// use makes the SDK's client over c. base leads to the mock, for an SDK that takes
	// c's keys and sends by itself.
	use func(base *http.Transport, c *client.Client) calls
	// overlap says that the server takes both keys until the file has moved: of this
	// API nothing else can be asked.
	overlap bool
	// background is the beginning of the path of requests that the SDK sends by itself
	// now and then: they are no calls. Empty: it sends none.
	background string
	// http1 leaves HTTP/2 out, for an SDK that has none.
	http1 bool
	// small says that the SDK sends a few bytes of text only.
	small bool
	// note says what does not work and why, for the page.
	note string
}

// calls are what the drill does with an SDK. They are safe for concurrent use.
type calls struct {
	// read makes a call without a body, nil where the SDK has none.
	read func(context.Context) error
	// write makes a call with text in its body, nil where the SDK has none.
	write func(ctx context.Context, text string) error
	// close ends what the SDK started, nil where that is nothing.
	close func() error
}

// sdks are those of this build, in the order of the page.
var sdks []sdk

// dummy is given to an SDK that wants a key. It must not reach the server. plain is
// for one that takes letters and digits alone.
const (
	dummy = "sentinel-dummy-0"
	plain = "sentineldummy0"
)
