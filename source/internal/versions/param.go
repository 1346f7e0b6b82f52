package versions

import (
	"errors"
	"net/url"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/param"
)

// Decoder takes out of a source string what says how a value is to be read: id,
// secret and passphrase, which name fields, or else what [param.Decoder] takes.
func Decoder(query url.Values) (source.Decoder, error) {
	named := query.Has("id") || query.Has("secret") || query.Has("passphrase")
	if !named {
		return param.Decoder(query)
	}
	if query.Has("format") {
		return nil, errors.New("format has no meaning beside id, secret and passphrase")
	}
	var names [3]string
	for i, name := range []string{"id", "secret", "passphrase"} {
		var err error
		if names[i], err = param.One(query, name); err != nil {
			return nil, err
		}
	}
	return Fields(names[0], names[1], names[2]), nil
}
