package provider

import (
	"bytes"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/rollingkeys/rollingkeys/transport"
)

// Slack returns the profile of Slack's Web API, with a bot or user token as a bearer
// token. Slack also takes the token in a form field or query parameter named "token",
// and clients such as slack-go send theirs there: such a token counts as a credential
// of the request, like one in the header. Under a client use [transport.WithOverride],
// which removes it. Multipart bodies are not searched.
//
// Methods that take no such token get none: the OAuth methods, those for app-level
// tokens, and api.test. Under WithOverride they also lose the token that they have. So
// give Socket Mode, which has its own token, another http.Client, or use a
// [transport.Rule].
//
// Slack refuses with status 200. token_revoked, token_expired and account_inactive
// refuse the token. invalid_auth may be about the client's address, and not_authed is
// returned if something removed the header: they count against a token only if another
// one is accepted. After these five errors the method was not called: Slack says only
// of internal_error and fatal_error that part of the work may be done. Errors about
// scopes, permissions, rates, malformed requests and outages say nothing about the
// token. All others, such as channel_not_found, do not either: Slack adds errors, so only
// "ok": true is an acceptance.
//
// If Slack requires a login, files.slack.com answers with a page (text/html) instead of
// the file. That is not an acceptance.
//
// https://docs.slack.dev/apis/web-api/
// https://docs.slack.dev/reference/methods/auth.test
func Slack() Profile {
	return Profile{
		Name: "slack", Scheme: slackScheme{transport.Bearer()}, Classifier: slackAnswer,
		Origins: []string{"https://slack.com", "https://files.slack.com"},
	}
}

// slackCodes classifies the errors that all methods share.
var slackCodes = Codes("error", map[transport.Verdict][]string{
	transport.RefusedUnapplied: {"token_revoked", "token_expired", "account_inactive"},
	transport.Ambiguous:        {"invalid_auth", "not_authed"},
	transport.Inconclusive: {
		// The token is valid, but not for this method, address or time.
		"missing_scope", "no_permission", "not_allowed_token_type", "access_denied", "accesslimited", "ekm_access_denied",
		"enterprise_is_restricted", "org_login_required", "team_access_not_granted", "team_added_to_org", "two_factor_setup_required",
		// Rates and outages.
		"ratelimited", "rate_limited", "request_timeout", "service_unavailable", "internal_error", "fatal_error",
		// The request is malformed: Slack may not have checked the token.
		"invalid_arg_name", "invalid_arguments", "invalid_array_arg", "invalid_charset", "invalid_form_data", "invalid_post_type",
		"missing_post_type", "deprecated_endpoint", "method_deprecated", "unknown_method",
	},
}, 200, 401, 403)

// slackSuccess knows that a success has "ok": true. Slack adds errors at any time.
var slackSuccess = Success("ok", []string{"true"}, slackCodes)

func slackAnswer(a *transport.Answer) transport.Verdict {
	if a.Status == http.StatusOK {
		switch t := a.Header.Get("Content-Type"); {
		case strings.HasPrefix(t, "text/html"):
			return transport.Inconclusive
		case t != "" && !strings.HasPrefix(t, "application/json"): // a file
			return transport.Passed
		case bytes.HasPrefix(a.Body(), []byte(`{"ok":true`)): // saves decoding the body
			return transport.Passed
		}
	}
	return slackSuccess(a)
}

// slackOthers are the methods that take another credential or none.
var slackOthers = []string{
	"api.test", "oauth.access", "oauth.v2.access", "oauth.v2.exchange", "openid.connect.token", "tooling.tokens.rotate",
	"apps.connections.open", "apps.event.authorizations.list",
}

// slackScheme adds the other places where a client may put its token.
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
