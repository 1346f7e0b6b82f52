package header

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/rollingkeys/rollingkeys/source"
)

// A Credential is what a header's value may hold as a secret: one of these texts may be
// a key's secret.
type Credential []string

// words are the names of authentication schemes that come before a credential.
var words = []string{"Bearer", "Basic", "Token", "ApiKey", "Key", "Bot"}

// ParseCredential returns the credential in a header's value. prefix is the text before
// the secret if the ring's key is sent in that header. The result is empty if the value
// holds no credential: SDKs that were given no key set an empty value, or only the name
// of an authentication scheme (F113).
func ParseCredential(value, prefix string) Credential {
	value, prefix = strings.TrimSpace(value), strings.TrimSpace(prefix)
	if value == "" || prefix != "" && EqualFold(value, prefix) {
		return nil
	}
	word, rest, _ := strings.Cut(value, " ")
	rest = strings.TrimSpace(rest)
	switch {
	case rest == "" && slices.ContainsFunc(words, func(s string) bool { return EqualFold(word, s) }):
		return nil
	case rest == "":
		return Credential{value, strings.TrimPrefix(value, prefix)}
	case EqualFold(word, "Basic"):
		plain, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			break
		}
		user, password, _ := strings.Cut(string(plain), ":")
		if user == "" && password == "" {
			return nil
		}
		return Credential{value, rest, password}
	}
	return Credential{value, rest, strings.TrimPrefix(value, prefix)}
}

// IsOf reports whether the credential holds key's secret.
func (c Credential) IsOf(key source.Key) bool {
	return slices.ContainsFunc(c, func(part string) bool { return source.NewSecret(part).Equal(key.Secret) })
}
