//go:build all

package sdks

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/anthropics/anthropic-sdk-go/v2"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/v2/option"
	cohere "github.com/cohere-ai/cohere-go/v2"
	cohereclient "github.com/cohere-ai/cohere-go/v2/client"
	cohereoption "github.com/cohere-ai/cohere-go/v2/option"
	openai "github.com/openai/openai-go/v3"
	openaioption "github.com/openai/openai-go/v3/option"
	"google.golang.org/genai"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

func init() { sdks = append(sdks, openAI, anthropicSDK, cohereSDK, genAI) }

// sender returns the HTTP client for an SDK that gets the key through Middleware.
func sender(base *http.Transport, c *client.Client) *http.Client {
	return &http.Client{Transport: base, CheckRedirect: c.Transport().CheckRedirect}
}

// openAI reads its responses as streams.
var openAI = sdk{
	name: "openai-go", module: "github.com/openai/openai-go/v3",
	profile: provider.OpenAI(), // page: key
	refusal: openAIRefusal,
	answer: func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodGet {
			reply(`{"object":"list","data":[{"id":"gpt"}]}`)(w, req)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for range 3 {
			_, _ = io.WriteString(w, `data: {"choices":[{"index":0,"delta":{"content":"yes"}}]}`+"\n\n")
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = io.WriteString(w, "data: [DONE]\n\n")
	},
	use: func(base *http.Transport, c *client.Client) calls {
		cl := openai.NewClient(
			openaioption.WithAPIKey(dummy),
			openaioption.WithHTTPClient(sender(base, c)),
			openaioption.WithMiddleware(c.Transport().Middleware), // page: line
		)
		return calls{
			read: func(ctx context.Context) error {
				_, err := cl.Models.List(ctx)
				return err
			},
			write: func(ctx context.Context, text string) error {
				stream := cl.Chat.Completions.NewStreaming(ctx, openai.ChatCompletionNewParams{
					Model: "gpt", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(text)},
				})
				defer stream.Close()
				n := 0
				for stream.Next() {
					n++
				}
				if err := stream.Err(); err != nil {
					return err
				}
				if n != 3 {
					return fmt.Errorf("%d of 3 events", n)
				}
				return nil
			},
		}
	},
}

var anthropicSDK = sdk{
	name: "anthropic-sdk-go", module: "github.com/anthropics/anthropic-sdk-go/v2",
	profile: provider.Anthropic(), // page: key
	auth:    mockapi.Header("X-Api-Key"),
	answer: byMethod(`{"data":[{"id":"claude","type":"model"}],"has_more":false}`,
		`{"id":"1","type":"message","role":"assistant","content":[{"type":"text","text":"yes"}]}`),
	use: func(base *http.Transport, c *client.Client) calls {
		cl := anthropic.NewClient(
			anthropicoption.WithAPIKey(dummy),
			anthropicoption.WithHTTPClient(sender(base, c)),
			anthropicoption.WithMiddleware(c.Transport().Middleware), // page: line
		)
		return calls{
			read: func(ctx context.Context) error {
				_, err := cl.Models.List(ctx, anthropic.ModelListParams{})
				return err
			},
			write: func(ctx context.Context, text string) error {
				answer, err := cl.Messages.New(ctx, anthropic.MessageNewParams{
					Model: "claude", MaxTokens: 10,
					Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(text))},
				})
				if err == nil && len(answer.Content) != 1 {
					err = fmt.Errorf("%d blocks", len(answer.Content))
				}
				return err
			},
		}
	},
}

var cohereSDK = sdk{
	name: "cohere-go", module: "github.com/cohere-ai/cohere-go/v2",
	profile: provider.Generic(transport.Bearer(), "https://api.cohere.com"), // page: key
	answer:  byMethod(`{"name":"command"}`, `{"tokens":[1],"token_strings":["yes"]}`),
	use: func(_ *http.Transport, c *client.Client) calls {
		cl := cohereclient.NewClient(
			cohereoption.WithToken(dummy),
			cohereoption.WithHTTPClient(c.Client), // page: line
		)
		return calls{
			read: func(ctx context.Context) error {
				_, err := cl.Models.Get(ctx, "command")
				return err
			},
			write: func(ctx context.Context, text string) error {
				_, err := cl.Tokenize(ctx, &cohere.TokenizeRequest{Text: text, Model: "command"})
				return err
			},
		}
	},
}

var genAI = sdk{
	name: "genai", module: "google.golang.org/genai",
	profile: provider.Google("https://generativelanguage.googleapis.com"), // page: key
	auth:    mockapi.Header("X-Goog-Api-Key"),
	refusal: googleRefusal,
	refused: "400",
	answer: byMethod(`{"name":"models/gemini"}`,
		`{"candidates":[{"content":{"parts":[{"text":"yes"}],"role":"model"},"finishReason":"STOP"}]}`),
	use: func(_ *http.Transport, c *client.Client) calls {
		cl, err := genai.NewClient(context.Background(), &genai.ClientConfig{
			APIKey: dummy, Backend: genai.BackendGeminiAPI,
			HTTPClient: c.Client, // page: line
		})
		if err != nil {
			return broken(err)
		}
		return calls{
			read: func(ctx context.Context) error {
				_, err := cl.Models.Get(ctx, "gemini", nil)
				return err
			},
			write: func(ctx context.Context, text string) error {
				_, err := cl.Models.GenerateContent(ctx, "gemini", genai.Text(text), nil)
				return err
			},
		}
	},
}

// googleRefusal is Google's response to an invalid API key.
var googleRefusal = &mockapi.Refusal{
	Status: http.StatusBadRequest, Header: http.Header{"Content-Type": {"application/json"}},
	Body: `{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}`,
}
