package connectauth

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"connectrpc.com/connect"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// admit looks at the headers that a call comes with. It returns a credential of the
// caller's own with which the call is to pass.
func (a *Auth) admit(header http.Header) (own string, err error) {
	if a.err != nil {
		return "", a.err
	}
	for name, values := range header {
		i := slices.IndexFunc(values, a.credential)
		if !strings.EqualFold(name, a.opts.header) || i < 0 {
			continue
		}
		switch a.opts.own {
		case ownRefused:
			return "", connect.NewError(connect.CodeInternal, fmt.Errorf(
				"connectauth: %w: header %q; WithOverride replaces it, WithPassThrough lets it pass", transport.ErrCredential, name))
		case ownPassed:
			return values[i], nil
		}
	}
	return "", nil
}

// credential reports whether a value of the header is one: an empty one is not, nor
// a scheme's word with nothing behind it.
func (a *Auth) credential(value string) bool {
	value = strings.TrimSpace(value)
	words := []string{"", strings.TrimSpace(a.opts.prefix), "Bearer", "Basic", "Token", "ApiKey", "Key", "Bot"}
	return !slices.ContainsFunc(words, func(word string) bool { return strings.EqualFold(value, word) })
}

// caller has the ring count a call with a credential of the caller's own: nothing
// may be called safe to revoke because others do not use it (F114).
func (a *Auth) caller(value string) ring.Attempt {
	value = strings.TrimSpace(value)
	_, rest, _ := strings.Cut(value, " ")
	whole, part := source.NewSecret(value), source.NewSecret(strings.TrimSpace(rest))
	return a.ring.Caller(fmt.Sprintf("header %q", a.opts.header),
		func(key source.Key) bool { return key.Secret.Equal(whole) || key.Secret.Equal(part) })
}
