package header_test

import (
	"fmt"
	"testing"

	"github.com/rollingkeys/rollingkeys/transport/internal/header"
)

// F182
func TestParseChallenges(t *testing.T) {
	for value, want := range map[string]string{ // scheme:error of each challenge
		"":                                      "",
		"Bearer":                                "Bearer:",
		"Bearer ":                               "Bearer:",
		`Bearer error="invalid_token"`:          "Bearer:invalid_token",
		`bearer ERROR = invalid_token`:          "bearer:invalid_token",
		`Bearer realm="a", error="x"`:           "Bearer:x",
		`Bearer realm="a" error="x"`:            "Bearer:x", // without the comma
		`Bearer realm="a, error=no", error="x"`: "Bearer:x",
		`Bearer realm="say \"hi\", error=\"no\"", error="x"`:    `Bearer:x`,
		`Bearer error="in\valid\_token"`:                        "Bearer:invalid_token",
		`Bearer error_description="error=no"`:                   "Bearer:",
		`Basic realm="Bearer error=no"`:                         "Basic:",
		`Basic realm="x", Bearer error="y"`:                     "Basic: Bearer:y",
		`Negotiate, Bearer error="y"`:                           "Negotiate: Bearer:y",
		`Negotiate YII+a/b==, Bearer error="y"`:                 "Negotiate: Bearer:y",
		`Negotiate error==`:                                     "Negotiate:", // a token68
		`Negotiate error=`:                                      "Negotiate:",
		`DPoP algs="ES256 PS256", error="d" , Bearer error="b"`: "DPoP:d Bearer:b",
		`, ,Bearer error=x,,`:                                   "Bearer:x",
		`error="x"`:                                             "", // of no challenge
		`"Bearer error=x"`:                                      "",
		`Bearer error="x`:                                       "Bearer:x",
		`Bearer error="x\`:                                      `Bearer:x\`,
		`Bearer error=`:                                         "Bearer:",
		"Bearer \xff;error=x":                                   "Bearer:x",
	} {
		got := ""
		for i, c := range header.ParseChallenges(value) {
			if i > 0 {
				got += " "
			}
			got += fmt.Sprintf("%s:%s", c.Scheme, c.Param("error"))
		}
		if got != want {
			t.Errorf("%s: %q, want %q", value, got, want)
		}
	}
}

func FuzzParseChallenges(f *testing.F) {
	f.Add(`Negotiate YII+a/b==, Bearer realm="say \"hi\"", error=invalid_token`)
	f.Fuzz(func(t *testing.T, value string) {
		for _, c := range header.ParseChallenges(value) {
			if !header.ValidName(c.Scheme) {
				t.Errorf("a scheme %q", c.Scheme)
			}
		}
	})
}
