//go:build all

package sdks

import (
	"context"
	"crypto/rand"
	"net/http"
	"strconv"
	"testing"

	"github.com/DataDog/datadog-api-client-go/v2/api/datadog"
	"github.com/DataDog/datadog-api-client-go/v2/api/datadogV1"
	"github.com/PagerDuty/go-pagerduty"
	"github.com/bwmarrin/discordgo"
	"github.com/sendgrid/rest"
	"github.com/sendgrid/sendgrid-go"
	"github.com/slack-go/slack"
	twilio "github.com/twilio/twilio-go/client"
	twilioapi "github.com/twilio/twilio-go/rest/api/v2010"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

func init() { sdks = append(sdks, discordGo, twilioGo, slackGo, datadogAPI, sendGrid, pagerDuty) }

var discordGo = sdk{
	name: "discordgo", module: "github.com/bwmarrin/discordgo",
	profile: provider.Generic(transport.HeaderPrefix("Authorization", "Bot "), "https://discord.com"), // page: key
	auth:    prefixed{"Authorization", "Bot "},
	answer:  reply(`{"id":"1"}`),
	use: func(_ *http.Transport, c *client.Client) calls {
		cl, err := discordgo.New("Bot " + dummy)
		if err != nil {
			return broken(err)
		}
		cl.Client = c.Client // page: line
		return calls{
			read: func(ctx context.Context) error {
				_, err := cl.User("@me", discordgo.WithContext(ctx))
				return err
			},
			write: func(ctx context.Context, text string) error {
				_, err := cl.ChannelMessageSend("1", text, discordgo.WithContext(ctx))
				return err
			},
		}
	},
	note: "The gateway, a WebSocket, logs in with Session.Token: set it again when the key switches.",
}

var twilioGo = sdk{
	name: "twilio-go", module: "github.com/twilio/twilio-go",
	profile: provider.Generic(transport.Basic(), "https://api.twilio.com"), // page: key
	pair:    true,
	auth:    mockapi.Basic(),
	refusal: &mockapi.Refusal{Header: http.Header{"Content-Type": {"application/json"}},
		Body: `{"code":20003,"message":"Authenticate","status":401}`},
	answer: byMethod(`{"balance":"1"}`, `{"sid":"1"}`),
	use: func(_ *http.Transport, c *client.Client) calls {
		cl := &twilio.Client{
			Credentials: twilio.NewCredentials(plain, plain),
			HTTPClient:  c.Client, // page: line
		}
		cl.SetAccountSid("AC1")
		api := twilioapi.NewApiService(twilio.NewRequestHandler(cl))
		return calls{
			read: func(context.Context) error {
				_, err := api.FetchBalance(nil)
				return err
			},
			write: func(_ context.Context, text string) error {
				_, err := api.CreateMessage((&twilioapi.CreateMessageParams{}).SetTo("1").SetFrom("1").SetBody(text))
				return err
			},
		}
	},
	note: "Use the SID and secret of an API key, not the account's auth token: an account has only one, and its SID is in every path.",
}

// slackAuth refuses with status 200, with different errors for revoked and unknown tokens.
type slackAuth struct{ mockapi.Authenticator }

func (slackAuth) Refuse(_ *http.Request, reason mockapi.Reason) *mockapi.Refusal {
	code := "invalid_auth"
	if reason == mockapi.ReasonRevoked {
		code = "token_revoked"
	}
	return &mockapi.Refusal{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: `{"ok":false,"error":"` + code + `"}`}
}

var slackGo = sdk{
	name: "slack-go", module: "github.com/slack-go/slack",
	profile: provider.Slack(), // page: key
	auth:    slackAuth{mockapi.Bearer()},
	refused: "token_revoked",
	answer:  reply(`{"ok":true,"user_id":"U1","channel":"C1","ts":"1"}`),
	use: func(_ *http.Transport, c *client.Client) calls {
		cl := slack.New(dummy,
			slack.OptionHTTPClient(c.Client), // page: line
		)
		return calls{
			read: func(ctx context.Context) error {
				_, err := cl.AuthTestContext(ctx)
				return err
			},
			write: func(ctx context.Context, text string) error {
				_, _, err := cl.PostMessageContext(ctx, "C1", slack.MsgOptionText(text, false))
				return err
			},
		}
	},
	note: "Socket Mode uses another token: give it another http.Client.",
}

// appKey is the entry of a key's Extra with Datadog's application key.
const appKey = "application-key"

var datadogAPI = sdk{
	name: "datadog-api-client-go", module: "github.com/DataDog/datadog-api-client-go/v2",
	profile: provider.Datadog(""), // page: key
	pair:    true,
	auth: parts{"DD-API-KEY": secretOf, "DD-APPLICATION-KEY": func(key source.Key) string {
		secret := key.Extra[appKey]
		return secret.Expose()
	}},
	options: func(testing.TB) []mockapi.Option {
		return []mockapi.Option{mockapi.WithGenerator(func(n int) mockapi.Spec {
			secret := mockapi.Sentinel + strconv.Itoa(n) + "_" + rand.Text()
			return mockapi.Spec{ID: "key", Secret: secret, Extra: map[string]string{appKey: secret + "_app"}}
		})}
	},
	refusal: &mockapi.Refusal{Status: http.StatusForbidden, Header: http.Header{"Content-Type": {"application/json"}},
		Body: `{"errors":["Forbidden"]}`},
	refused: "403",
	overlap: true,
	answer:  byMethod(`{"valid":true}`, `{"status":"ok","event":{"id":1}}`),
	use: func(_ *http.Transport, c *client.Client) calls {
		cfg := datadog.NewConfiguration()
		cfg.HTTPClient = c.Client // page: line
		cl := datadog.NewAPIClient(cfg)
		auth, events := datadogV1.NewAuthenticationApi(cl), datadogV1.NewEventsApi(cl)
		keys := map[string]datadog.APIKey{"apiKeyAuth": {Key: dummy}, "appKeyAuth": {Key: dummy}}
		return calls{
			read: func(ctx context.Context) error {
				_, _, err := auth.Validate(context.WithValue(ctx, datadog.ContextAPIKeys, keys))
				return err
			},
			write: func(ctx context.Context, text string) error {
				_, _, err := events.CreateEvent(context.WithValue(ctx, datadog.ContextAPIKeys, keys),
					*datadogV1.NewEventCreateRequest(text, "title"))
				return err
			},
		}
	},
	note: "Datadog answers 403 to a revoked key and to a missing permission alike: rotate with an overlap, or calls fail until the source has the new key.",
}

var sendGrid = sdk{
	name: "sendgrid-go", module: "github.com/sendgrid/sendgrid-go",
	profile: provider.Generic(transport.Bearer(), "https://api.sendgrid.com"), // page: key
	use: func(_ *http.Transport, c *client.Client) calls {
		cl := &rest.Client{HTTPClient: c.Client} // page: line
		send := func(ctx context.Context, path string, method rest.Method, body string) error {
			request := sendgrid.GetRequest(dummy, path, "")
			request.Method, request.Body = method, []byte(body)
			resp, err := cl.SendWithContext(ctx, request)
			if err != nil {
				return err
			}
			return success(resp.StatusCode)
		}
		return calls{
			read: func(ctx context.Context) error { return send(ctx, "/v3/user/account", rest.Get, "") },
			write: func(ctx context.Context, text string) error {
				return send(ctx, "/v3/mail/send", rest.Post, `{"subject":"`+text+`"}`)
			},
		}
	},
	note: "For `NewSendClient`, set `sendgrid.DefaultClient` to the same client; it is global to the process.",
}

var pagerDuty = sdk{
	name: "go-pagerduty", module: "github.com/PagerDuty/go-pagerduty",
	profile: provider.Generic(transport.HeaderPrefix("Authorization", "Token token="), "https://api.pagerduty.com"), // page: key
	auth:    prefixed{"Authorization", "Token token="},
	answer: func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodGet {
			reply(`{"user":{"id":"1"}}`)(w, req)
			return
		}
		replyWith(http.StatusCreated, `{"incident":{"id":"1"}}`)(w, req)
	},
	use: func(_ *http.Transport, c *client.Client) calls {
		cl := pagerduty.NewClient(dummy)
		cl.HTTPClient = c.Client // page: line
		return calls{
			read: func(ctx context.Context) error {
				_, err := cl.GetCurrentUserWithContext(ctx, pagerduty.GetCurrentUserOptions{})
				return err
			},
			write: func(ctx context.Context, text string) error {
				_, err := cl.CreateIncidentWithContext(ctx, "bot@example.com", &pagerduty.CreateIncidentOptions{Title: text})
				return err
			},
		}
	},
}
