//go:build all

package sdks

import (
	"context"
	"net/http"

	"code.gitea.io/sdk/gitea"
	"github.com/google/go-github/v74/github"
	"github.com/hashicorp/go-tfe"
	gitlab "gitlab.com/gitlab-org/api/client-go"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

func init() { sdks = append(sdks, goGitHub, gitLab, giteaSDK, goTFE) }

var goGitHub = sdk{
	name: "go-github", module: "github.com/google/go-github/v74",
	profile: provider.GitHub(), // page: key
	answer:  byMethod(`{"login":"octocat"}`, `{"number":1}`),
	use: func(_ *http.Transport, c *client.Client) calls {
		cl := github.NewClient(c.Client) // page: line
		return calls{
			read: func(ctx context.Context) error {
				_, _, err := cl.Users.Get(ctx, "")
				return err
			},
			write: func(ctx context.Context, text string) error {
				_, _, err := cl.Issues.Create(ctx, "octocat", "hello", &github.IssueRequest{Title: &text})
				return err
			},
		}
	},
}

var gitLab = sdk{
	name: "gitlab client-go", module: "gitlab.com/gitlab-org/api/client-go",
	profile: provider.Generic(transport.Header("Private-Token"), "https://gitlab.com"), // page: key
	auth:    mockapi.Header("Private-Token"),
	answer:  byMethod(`{"id":1}`, `{"id":1,"iid":1}`),
	use: func(_ *http.Transport, c *client.Client) calls {
		cl, err := gitlab.NewClient(dummy,
			gitlab.WithHTTPClient(c.Client), // page: line
		)
		if err != nil {
			return broken(err)
		}
		return calls{
			read: func(ctx context.Context) error {
				_, _, err := cl.Users.CurrentUser(gitlab.WithContext(ctx))
				return err
			},
			write: func(ctx context.Context, text string) error {
				_, _, err := cl.Issues.CreateIssue(1, &gitlab.CreateIssueOptions{Title: &text}, gitlab.WithContext(ctx))
				return err
			},
		}
	},
}

var giteaSDK = sdk{
	name: "gitea", module: "code.gitea.io/sdk/gitea",
	profile: provider.Generic(transport.HeaderPrefix("Authorization", "token "), "https://gitea.com"), // page: key
	auth:    prefixed{"Authorization", "token "},
	answer:  byMethod(`{"id":1}`, `{"number":1}`),
	use: func(_ *http.Transport, c *client.Client) calls {
		cl, err := gitea.NewClient("https://gitea.com", gitea.SetGiteaVersion("1.25.0"),
			gitea.SetToken(dummy),
			gitea.SetHTTPClient(c.Client), // page: line
		)
		if err != nil {
			return broken(err)
		}
		return calls{
			read: func(context.Context) error {
				_, _, err := cl.GetMyUserInfo()
				return err
			},
			write: func(_ context.Context, text string) error {
				_, _, err := cl.CreateIssue("gitea", "hello", gitea.CreateIssueOption{Title: text})
				return err
			},
		}
	},
}

var goTFE = sdk{
	name: "go-tfe", module: "github.com/hashicorp/go-tfe",
	profile: provider.Generic(transport.Bearer(), "https://app.terraform.io"), // page: key
	refused: "unauthorized",
	answer: byMethod(`{"data":{"type":"organizations","id":"hello","attributes":{}}}`,
		`{"data":{"type":"vars","id":"var-1","attributes":{}}}`),
	use: func(_ *http.Transport, c *client.Client) calls {
		cl, err := tfe.NewClient(&tfe.Config{
			Address: "https://app.terraform.io", Token: dummy,
			HTTPClient: c.Client, // page: line
		})
		if err != nil {
			return broken(err)
		}
		return calls{
			read: func(ctx context.Context) error {
				_, err := cl.Organizations.Read(ctx, "hello")
				return err
			},
			write: func(ctx context.Context, text string) error {
				_, err := cl.Variables.Create(ctx, "ws-1", tfe.VariableCreateOptions{
					Key: tfe.String("text"), Value: &text, Category: tfe.Category(tfe.CategoryEnv),
				})
				return err
			},
		}
	},
}
