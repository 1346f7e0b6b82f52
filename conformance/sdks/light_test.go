package sdks

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	coder "github.com/coder/websocket"
	"github.com/go-resty/resty/v2"
	gorilla "github.com/gorilla/websocket"
	"github.com/hirokisan/bybit/v2"
	openai "github.com/sashabaranov/go-openai"
	"github.com/shurcooL/githubv4"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi/exchange"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// The SDKs in this file build in seconds and are part of every test run.
func init() {
	sdks = append(sdks, goOpenAI, restySDK, connectGo, coderWebSocket, gorillaWebSocket, gitHubV4, bybitSDK)
}

var goOpenAI = sdk{
	name: "go-openai", module: "github.com/sashabaranov/go-openai",
	profile: provider.OpenAI(), // page: key
	refusal: openAIRefusal,
	answer: byMethod(`{"object":"list","data":[{"id":"gpt"}]}`,
		`{"choices":[{"message":{"role":"assistant","content":"yes"}}]}`),
	use: func(_ *http.Transport, c *client.Client) calls {
		cfg := openai.DefaultConfig(dummy)
		cfg.HTTPClient = c.Client // page: line
		cl := openai.NewClientWithConfig(cfg)
		return calls{
			read: func(ctx context.Context) error {
				_, err := cl.ListModels(ctx)
				return err
			},
			write: func(ctx context.Context, text string) error {
				resp, err := cl.CreateChatCompletion(ctx, openai.ChatCompletionRequest{
					Model: openai.GPT4o, Messages: []openai.ChatCompletionMessage{{Role: "user", Content: text}},
				})
				if err == nil && len(resp.Choices) != 1 {
					err = fmt.Errorf("%d choices", len(resp.Choices))
				}
				return err
			},
		}
	},
}

// openAIRefusal is OpenAI's response to an invalid key.
var openAIRefusal = &mockapi.Refusal{Header: http.Header{"Content-Type": {"application/json"}},
	Body: `{"error":{"message":"Incorrect API key provided.","type":"invalid_request_error","code":"invalid_api_key"}}`}

var restySDK = sdk{
	name: "resty", module: "github.com/go-resty/resty/v2",
	profile: provider.Generic(transport.Bearer(), "https://api.example.com"), // page: key
	use: func(_ *http.Transport, c *client.Client) calls {
		cl := resty.NewWithClient(c.Client) // page: line
		cl.SetAuthToken(dummy)
		return calls{
			read: func(ctx context.Context) error {
				resp, err := cl.R().SetContext(ctx).Get("https://api.example.com/things")
				if err != nil {
					return err
				}
				return success(resp.StatusCode())
			},
			write: func(ctx context.Context, text string) error {
				resp, err := cl.R().SetContext(ctx).SetBody(map[string]string{"text": text}).Post("https://api.example.com/things")
				if err != nil {
					return err
				}
				return success(resp.StatusCode())
			},
		}
	},
}

// sayPath is the procedure of connectGo's server.
const sayPath = "/demo.v1.Demo/Say"

var connectGo = sdk{
	name: "connect-go", module: "connectrpc.com/connect",
	profile: provider.Generic(transport.Bearer(), "https://api.example.com"), // page: key
	refused: "unauthenticated",
	answer: connect.NewUnaryHandler(sayPath, func(_ context.Context, req *connect.Request[wrapperspb.StringValue]) (*connect.Response[wrapperspb.StringValue], error) {
		return connect.NewResponse(wrapperspb.String(req.Msg.Value)), nil
	}).ServeHTTP,
	use: func(_ *http.Transport, c *client.Client) calls {
		const url = "https://api.example.com" + sayPath
		cl := connect.NewClient[wrapperspb.StringValue, wrapperspb.StringValue](c.Client, url) // page: line
		say := func(ctx context.Context, text string) error {
			resp, err := cl.CallUnary(ctx, connect.NewRequest(wrapperspb.String(text)))
			if err == nil && resp.Msg.Value != text {
				err = fmt.Errorf("an answer of %d bytes to %d", len(resp.Msg.Value), len(text))
			}
			return err
		}
		return calls{
			read:  func(ctx context.Context) error { return say(ctx, "read") },
			write: say,
		}
	},
	note: "For streams that the server refuses after they are open, use the interceptor of transport/connectauth.",
}

// socket is a WebSocket server that echoes messages.
func socket(w http.ResponseWriter, req *http.Request) {
	conn, err := coder.Accept(w, req, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	for {
		kind, data, err := conn.Read(req.Context())
		if err != nil || conn.Write(req.Context(), kind, data) != nil {
			return
		}
	}
}

var coderWebSocket = sdk{
	name: "coder/websocket", module: "github.com/coder/websocket",
	profile: provider.Generic(transport.Bearer(), "https://api.example.com"), // page: key
	answer:  socket,
	http1:   true,
	use: func(_ *http.Transport, c *client.Client) calls {
		return calls{read: func(ctx context.Context) error {
			options := &coder.DialOptions{HTTPClient: c.Client} // page: line
			conn, _, err := coder.Dial(ctx, "wss://api.example.com/stream", options)
			if err != nil {
				return err
			}
			defer conn.CloseNow()
			if err := conn.Write(ctx, coder.MessageText, []byte("hello")); err != nil {
				return err
			}
			if _, data, err := conn.Read(ctx); err != nil || string(data) != "hello" {
				return fmt.Errorf("an answer of %d bytes, %w", len(data), err)
			}
			return conn.Close(coder.StatusNormalClosure, "")
		}}
	},
	note: "An open session keeps the key with which it was opened.",
}

var gorillaWebSocket = sdk{
	name: "gorilla/websocket", module: "github.com/gorilla/websocket",
	profile: provider.Generic(transport.Bearer(), "https://api.example.com"), // page: key
	answer:  socket,
	http1:   true,
	use: func(base *http.Transport, c *client.Client) calls {
		dialer := &gorilla.Dialer{NetDialContext: base.DialContext, TLSClientConfig: base.TLSClientConfig}
		return calls{read: func(ctx context.Context) error {
			conn, err := dial(ctx, c, dialer, "wss://api.example.com/stream")
			if err != nil {
				return err
			}
			defer conn.Close()
			if err := conn.WriteMessage(gorilla.TextMessage, []byte("hello")); err != nil {
				return err
			}
			if _, data, err := conn.ReadMessage(); err != nil || string(data) != "hello" {
				return fmt.Errorf("an answer of %d bytes, %w", len(data), err)
			}
			return nil
		}}
	},
	note: "It accepts no http.Client; the function around `DialContext` is ten lines in light_test.go. An open session keeps the key with which it was opened.",
}

// dial dials with a dialer that accepts headers but no http.Client.
func dial(ctx context.Context, c *client.Client, dialer *gorilla.Dialer, url string) (conn *gorilla.Conn, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.Transport().Middleware(req, func(req *http.Request) (resp *http.Response, err error) { // page: line
		conn, resp, err = dialer.DialContext(ctx, url, req.Header)
		return resp, err
	})
	if err == nil && conn == nil {
		err = success(resp.StatusCode)
	}
	return conn, err
}

var gitHubV4 = sdk{
	name: "githubv4", module: "github.com/shurcooL/githubv4",
	profile: provider.GitHub(), // page: key
	answer: func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		if strings.Contains(string(body), "mutation") {
			reply(`{"data":{"addComment":{"clientMutationId":"1"}}}`)(w, req)
			return
		}
		reply(`{"data":{"viewer":{"login":"octocat"}}}`)(w, req)
	},
	use: func(_ *http.Transport, c *client.Client) calls {
		cl := githubv4.NewClient(c.Client) // page: line
		return calls{
			read: func(ctx context.Context) error {
				var q struct{ Viewer struct{ Login string } }
				return cl.Query(ctx, &q, nil)
			},
			write: func(ctx context.Context, text string) error {
				var m struct {
					AddComment struct{ ClientMutationID string } `graphql:"addComment(input: $input)"`
				}
				return cl.Mutate(ctx, &m, githubv4.AddCommentInput{SubjectID: "1", Body: githubv4.String(text)}, nil)
			},
		}
	},
}

var bybitSDK = sdk{
	name: "bybit", module: "github.com/hirokisan/bybit/v2",
	profile: provider.Bybit(), // page: key
	pair:    true,
	options: exchangeNamed("bybit"),
	refused: "10003",
	answer:  reply(`{"retCode":0,"retMsg":"OK","result":{}}`),
	use: func(_ *http.Transport, c *client.Client) calls {
		public := bybit.NewClient().WithHTTPClient(c.Client) // page: line
		cl := public.WithAuth(dummy, dummy).V5()
		return calls{
			read: func(context.Context) error {
				_, err := cl.Account().GetAccountInfo()
				return err
			},
			write: func(_ context.Context, text string) error {
				_, err := cl.Order().CreateOrder(bybit.V5CreateOrderParam{
					Category: bybit.CategoryV5Spot, Symbol: bybit.SymbolV5BTCUSDT, Side: bybit.SideBuy,
					OrderType: bybit.OrderTypeMarket, Qty: "1", OrderLinkID: &text,
				})
				return err
			},
		}
	},
}

// exchangeNamed returns the options of a mock API that simulates the exchange.
func exchangeNamed(name string) func(testing.TB) []mockapi.Option {
	return func(t testing.TB) []mockapi.Option {
		e, err := exchange.New(name)
		if err != nil {
			t.Fatal(err)
		}
		return e.Options()
	}
}
