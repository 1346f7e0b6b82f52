//go:build all

package sdks

import (
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/cloudflare/cloudflare-go/v6"
	cloudflareoption "github.com/cloudflare/cloudflare-go/v6/option"
	"github.com/cloudflare/cloudflare-go/v6/zones"
	"github.com/digitalocean/godo"
	"github.com/hetznercloud/hcloud-go/v2/hcloud"
	"github.com/linode/linodego"
	"github.com/vultr/govultr/v3"
	"google.golang.org/api/option"
	"google.golang.org/api/translate/v2"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

func init() {
	sdks = append(sdks, azCore, cloudflareGo, goDO, hCloud, linodeGo, goVultr, googleAPI)
}

var azCore = sdk{
	name: "azcore", module: "github.com/Azure/azure-sdk-for-go/sdk/azcore",
	profile: provider.Generic(transport.Header("Ocp-Apim-Subscription-Key"), "https://api.cognitive.microsofttranslator.com"), // page: key
	auth:    mockapi.Header("Ocp-Apim-Subscription-Key"),
	use: func(_ *http.Transport, c *client.Client) calls {
		key := runtime.NewKeyCredentialPolicy(azcore.NewKeyCredential(dummy), "Ocp-Apim-Subscription-Key", nil)
		options := &policy.ClientOptions{
			Transport: c.Client, // page: line
		}
		cl := runtime.NewPipeline("sdks", "v1", runtime.PipelineOptions{PerRetry: []policy.Policy{key}}, options)
		do := func(ctx context.Context, method, text string) error {
			req, err := runtime.NewRequest(ctx, method, "https://api.cognitive.microsofttranslator.com/translate")
			if err != nil {
				return err
			}
			if text != "" {
				if err := req.SetBody(streaming.NopCloser(strings.NewReader(text)), "text/plain"); err != nil {
					return err
				}
			}
			resp, err := cl.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			_, _ = io.Copy(io.Discard, resp.Body)
			return success(resp.StatusCode)
		}
		return calls{
			read:  func(ctx context.Context) error { return do(ctx, http.MethodGet, "") },
			write: func(ctx context.Context, text string) error { return do(ctx, http.MethodPost, text) },
		}
	},
}

var cloudflareGo = sdk{
	name: "cloudflare-go", module: "github.com/cloudflare/cloudflare-go/v6",
	profile: provider.Generic(transport.Bearer(), "https://api.cloudflare.com"), // page: key
	answer:  reply(`{"success":true,"errors":[],"messages":[],"result":{"id":"1"}}`),
	use: func(base *http.Transport, c *client.Client) calls {
		cl := zones.NewZoneService(
			cloudflareoption.WithEnvironmentProduction(),
			cloudflareoption.WithAPIToken(dummy),
			cloudflareoption.WithHTTPClient(sender(base, c)),
			cloudflareoption.WithMiddleware(c.Transport().Middleware), // page: line
		)
		return calls{
			read: func(ctx context.Context) error {
				_, err := cl.Get(ctx, zones.ZoneGetParams{ZoneID: cloudflare.F("1")})
				return err
			},
			write: func(ctx context.Context, text string) error {
				_, err := cl.New(ctx, zones.ZoneNewParams{Name: cloudflare.F(text), Account: cloudflare.F(zones.ZoneNewParamsAccount{})})
				return err
			},
		}
	},
}

var goDO = sdk{
	name: "godo", module: "github.com/digitalocean/godo",
	profile: provider.Generic(transport.Bearer(), "https://api.digitalocean.com"), // page: key
	answer:  byMethod(`{"account":{"uuid":"1"}}`, `{"tag":{"name":"1"}}`),
	use: func(_ *http.Transport, c *client.Client) calls {
		cl := godo.NewClient(c.Client) // page: line
		return calls{
			read: func(ctx context.Context) error {
				_, _, err := cl.Account.Get(ctx)
				return err
			},
			write: func(ctx context.Context, text string) error {
				_, _, err := cl.Tags.Create(ctx, &godo.TagCreateRequest{Name: text})
				return err
			},
		}
	},
}

var hCloud = sdk{
	name: "hcloud-go", module: "github.com/hetznercloud/hcloud-go/v2",
	profile: provider.Generic(transport.Bearer(), "https://api.hetzner.cloud"), // page: key
	answer:  reply(`{"ssh_key":{"id":1}}`),
	use: func(_ *http.Transport, c *client.Client) calls {
		cl := hcloud.NewClient(
			hcloud.WithToken(dummy),
			hcloud.WithHTTPClient(c.Client), // page: line
		)
		return calls{
			read: func(ctx context.Context) error {
				_, _, err := cl.SSHKey.GetByID(ctx, 1)
				return err
			},
			write: func(ctx context.Context, text string) error {
				_, _, err := cl.SSHKey.Create(ctx, hcloud.SSHKeyCreateOpts{Name: "1", PublicKey: text})
				return err
			},
		}
	},
}

var linodeGo = sdk{
	name: "linodego", module: "github.com/linode/linodego",
	profile: provider.Generic(transport.Bearer(), "https://api.linode.com"), // page: key
	refusal: &mockapi.Refusal{Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"errors":[{"reason":"Invalid Token"}]}`},
	answer:  byMethod(`{"username":"1"}`, `{"id":1}`),
	use: func(_ *http.Transport, c *client.Client) calls {
		cl := linodego.NewClient(c.Client) // page: line
		cl.SetToken(dummy)
		return calls{
			read: func(ctx context.Context) error {
				_, err := cl.GetProfile(ctx)
				return err
			},
			write: func(ctx context.Context, text string) error {
				_, err := cl.CreateSSHKey(ctx, linodego.SSHKeyCreateOptions{Label: "1", SSHKey: text})
				return err
			},
		}
	},
}

var goVultr = sdk{
	name: "govultr", module: "github.com/vultr/govultr/v3",
	profile: provider.Generic(transport.Bearer(), "https://api.vultr.com"), // page: key
	refused: "unauthorized",
	answer:  byMethod(`{"account":{"name":"1"}}`, `{"ssh_key":{"id":"1"}}`),
	use: func(_ *http.Transport, c *client.Client) calls {
		cl := govultr.NewClient(c.Client) // page: line
		return calls{
			read: func(ctx context.Context) error {
				_, _, err := cl.Account.Get(ctx)
				return err
			},
			write: func(ctx context.Context, text string) error {
				_, _, err := cl.SSHKey.Create(ctx, &govultr.SSHKeyReq{Name: "1", SSHKey: text})
				return err
			},
		}
	},
}

var googleAPI = sdk{
	name: "google api", module: "google.golang.org/api",
	profile: provider.Google("https://translation.googleapis.com"), // page: key
	auth:    mockapi.Header("X-Goog-Api-Key"),
	refusal: googleRefusal,
	refused: "400",
	answer:  byMethod(`{"data":{"languages":[{"language":"en"}]}}`, `{"data":{"translations":[{"translatedText":"yes"}]}}`),
	use: func(_ *http.Transport, c *client.Client) calls {
		cl, err := translate.NewService(context.Background(),
			option.WithHTTPClient(c.Client), // page: line
		)
		if err != nil {
			return broken(err)
		}
		return calls{
			read: func(ctx context.Context) error {
				_, err := cl.Languages.List().Context(ctx).Do()
				return err
			},
			write: func(ctx context.Context, text string) error {
				_, err := cl.Translations.Translate(&translate.TranslateTextRequest{Q: []string{text}, Target: "en"}).Context(ctx).Do()
				return err
			},
		}
	},
	note: "With WithHTTPClient every other credential option is ignored, WithAPIKey among them.",
}
