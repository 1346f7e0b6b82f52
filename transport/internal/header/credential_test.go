package header_test

import (
	"encoding/base64"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport/internal/header"
)

const secret = "rksentinel_1"

// F113
func TestParseCredential(t *testing.T) {
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	for _, tc := range []struct {
		value, prefix string
		some, of      bool // it is a credential, and the key's
	}{
		{value: ""},
		{value: " "},
		{value: "Bearer"},
		{value: "bearer ", prefix: "Bearer "},
		{value: "token", prefix: "Bearer "},
		{value: "x-sign ", prefix: "X-Sign "},
		{value: basic(":")},

		{value: "Bearer sentinel-other", some: true},
		{value: "Basic :", some: true},
		{value: basic("user:sentinel-other"), some: true},

		{value: secret, some: true, of: true},
		{value: " " + secret, some: true, of: true},
		{value: "Bearer  " + secret, prefix: "Bearer ", some: true, of: true},
		{value: "Token " + secret, prefix: "Bearer ", some: true, of: true},
		{value: "key=" + secret, prefix: "key=", some: true, of: true},
		{value: basic("user:" + secret), some: true, of: true},
	} {
		c := header.ParseCredential(tc.value, tc.prefix)
		if got := len(c) > 0; got != tc.some {
			t.Errorf("%q with prefix %q is a credential: %v", tc.value, tc.prefix, got)
		}
		if got := c.IsOf(source.Key{Secret: source.NewSecret(secret)}); got != tc.of {
			t.Errorf("%q with prefix %q is the key's: %v", tc.value, tc.prefix, got)
		}
	}
}
