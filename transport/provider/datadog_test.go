package provider_test

import (
	"fmt"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

// Both keys are sent in their headers, to the hosts of the site. F120
func TestDatadog(t *testing.T) {
	key := pair("sentinel-k")
	key.Extra["application-key"] = source.NewSecret("sentinel-app")
	req := newRequest(t, "POST", "https://api.datadoghq.com/api/v2/series", "", "{}")
	sign(t, provider.Datadog("").Scheme, key, req)
	if req.Header.Get("DD-API-KEY") != "sentinel-k" || req.Header.Get("DD-APPLICATION-KEY") != "sentinel-app" || len(req.Header) != 2 {
		t.Error("the headers are wrong")
	}
	for site, want := range map[string]string{
		"":             "[https://api.datadoghq.com https://http-intake.logs.datadoghq.com https://event-management-intake.datadoghq.com]",
		"datadoghq.eu": "[https://api.datadoghq.eu https://http-intake.logs.datadoghq.eu https://event-management-intake.datadoghq.eu]",
	} {
		if got := fmt.Sprint(provider.Datadog(site).Origins); got != want {
			t.Errorf("%q: origins %s", site, got)
		}
	}
}
