package provider

import (
	"bytes"
	"cmp"
	"net/http"

	"github.com/rollingkeys/rollingkeys/transport"
)

// Datadog returns the profile of Datadog. It sends the key's Secret, an API key, in
// DD-API-KEY, and Extra["application-key"], an application key, in DD-APPLICATION-KEY.
// site is the organization's site, such as "datadoghq.eu", "us3.datadoghq.com" or
// "ddog-gov.com"; empty means "datadoghq.com". Keys go to the site's API and to its
// intake of logs and events.
//
// A program that only sends data has no application key. For it, change the scheme:
//
//	p := provider.Datadog("")
//	p.Scheme = transport.Header("DD-API-KEY")
//
// Datadog answers 403 to a bad API key and also to a missing permission or scope. A 403
// that names a permission or scope is [transport.Inconclusive]. Any other 403 with
// Datadog's errors is [transport.Ambiguous]: the request was not carried out, and the
// key counts as refused only if another one is accepted. A 401 refuses the key.
//
// https://docs.datadoghq.com/api/latest/authentication/
// https://docs.datadoghq.com/getting_started/site/
func Datadog(site string) Profile {
	site = cmp.Or(site, "datadoghq.com")
	return Profile{
		Name:       "datadog",
		Scheme:     transport.Headers(map[string]string{"DD-API-KEY": "secret", "DD-APPLICATION-KEY": "application-key"}),
		Classifier: datadogAnswer,
		Origins:    []string{"https://api." + site, "https://http-intake.logs." + site, "https://event-management-intake." + site},
	}
}

func datadogAnswer(a *transport.Answer) transport.Verdict {
	v := transport.RFC6750(a)
	if a.Status != http.StatusForbidden || v != transport.Passed {
		return v
	}
	body := a.Body()
	if cmp.Or(Lookup(body, "errors.0"), Lookup(body, "errors.0.title"), Lookup(body, "errors.0.detail")) == "" {
		return transport.Passed // most likely from a firewall
	}
	text := bytes.ToLower(body)
	for _, about := range []string{"permission", "scope"} {
		if bytes.Contains(text, []byte(about)) {
			return transport.Inconclusive
		}
	}
	return transport.Ambiguous
}
