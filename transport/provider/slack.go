package provider

import (
	"bytes"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/rollingkeys/rollingkeys/transport"
)

// Slack sends a bot or user token to Slack's Web API as a bearer token. Slack takes it
// in a form field or query parameter called "token", too, and that is where clients put
// theirs, slack-go among them: such a token is a credential of the request's own like
// one in the header. Under a client use [transport.WithOverride], which takes it out.
// Multipart bodies are not looked into.
//
// The methods that no such token is for, those of OAuth and of app-level tokens, and
// api.test, get none. Under WithOverride they lose the one that they come with: give
// Socket Mode, which has a token of its own, another http.Client, or a [transport.Rule].
//
// Slack refuses with status 200. token_revoked, token_expired and account_inactive are
// about the token. invalid_auth may be about the address, and not_authed comes when
// something has removed the header: they count against a token only if another one is
// accepted. These five say that the method was not called: of internal_error and
// fatal_error alone Slack says that a part of it may have been. Scopes, permissions,
// rates, malformed requests and outages say nothing of the token; other errors, such as
// channel_not_found, come from the method, so the token was accepted.
//
// On files.slack.com a page (text/html) stands for a file when Slack wants a login: it
// is no acceptance.
//
// https://docs.slack.dev/apis/web-api/
// https://docs.slack.dev/reference/methods/auth.test
func Slack() Profile {
	return Profile{
		Name: "slack", Scheme: slackScheme{transport.Bearer()}, Classifier: slackAnswer,
		Origins: []string{"https://slack.com", "https://files.slack.com"},
	}
}

// slackCodes are the errors that all methods have in common.
var slackCodes = Codes("error", map[transport.Verdict][]string{
	transport.RefusedUnapplied: {"token_revoked", "token_expired", "account_inactive"},
	transport.Ambiguous:        {"invalid_auth", "not_authed"},
	transport.Inconclusive: {
		// The token is good, but not for this, here or now.
		"missing_scope", "no_permission", "not_allowed_token_type", "access_denied", "accesslimited", "ekm_access_denied",
		"enterprise_is_restricted", "org_login_required", "team_access_not_granted", "team_added_to_org", "two_factor_setup_required",
		// Rates and outages.
		"ratelimited", "rate_limited", "request_timeout", "service_unavailable", "internal_error", "fatal_error",
		// The request was not understood: whether its token was looked at is unknown.
		"invalid_arg_name", "invalid_arguments", "invalid_array_arg", "invalid_charset", "invalid_form_data", "invalid_post_type",
		"missing_post_type", "deprecated_endpoint", "method_deprecated", "unknown_method",
	},
}, 200, 401, 403)

func slackAnswer(a *transport.Answer) transport.Verdict {
	if a.Status == http.StatusOK {
		switch t := a.Header.Get("Content-Type"); {
		case strings.HasPrefix(t, "text/html"):
			return transport.Inconclusive
		case t != "" && !strings.HasPrefix(t, "application/json"): // a file
			return transport.Passed
		case bytes.HasPrefix(a.Body(), []byte(`{"ok":true`)): // without decoding all of it
			return transport.Passed
		}
	}
	return slackCodes(a)
}

// slackOthers are the methods that take another credential, or none.
var slackOthers = []string{
	"api.test", "oauth.access", "oauth.v2.access", "oauth.v2.exchange", "openid.connect.token", "tooling.tokens.rotate",
	"apps.connections.open", "apps.event.authorizations.list",
}

// slackScheme knows where a client may have its token besides.
type slackScheme struct{ transport.Scheme }

func (s slackScheme) Traits() transport.Traits {
	traits := s.Scheme.Traits()
	traits.Params = append(traits.Params, "token")
	traits.Fields = append(traits.Fields, "token")
	traits.NeedsKey = func(req *http.Request) bool {
		dir, method := path.Split(req.URL.Path)
		return dir != "/api/" || !slices.Contains(slackOthers, method)
	}
	return traits
}
