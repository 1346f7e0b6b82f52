package gcp

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	secretmanager "cloud.google.com/go/secretmanager/apiv1"
	"google.golang.org/api/option"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/lease"
	"github.com/rollingkeys/rollingkeys/source/internal/pair"
)

func init() { source.Register("gcp", open, "id", "secret", "passphrase", "format", "prefix") }

// open opens a source string. The package comment has the parameters.
func open(u *url.URL, query url.Values) (source.Source, error) {
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	secret := "projects/" + u.Host
	var opts []option.ClientOption
	if len(parts) == 2 {
		// https://cloud.google.com/secret-manager/regional-secrets/create-regional-secret
		secret += "/locations/" + parts[0]
		opts = append(opts, option.WithEndpoint("secretmanager."+parts[0]+".rep.googleapis.com:443"))
	}
	name := parts[len(parts)-1]
	if u.Host == "" || len(parts) > 2 || name == "" || parts[0] == "" {
		return nil, errors.New("want gcp://PROJECT/NAME, or gcp://PROJECT/LOCATION/NAME")
	}
	decode, err := pair.Decoder(query)
	if err != nil {
		return nil, err
	}
	// F104: the client is closed after each reading, since a source has no Close.
	client := lease.New(func(context.Context) (*secretmanager.Client, error) {
		client, err := secretmanager.NewClient(context.Background(), opts...) // F86: the client may keep the context
		if err != nil {
			return nil, fmt.Errorf("%w: there are no valid application default credentials", source.ErrDenied)
		}
		return client, nil
	}, func(client *secretmanager.Client) { _ = client.Close() })
	return newSource(client, secret+"/secrets/"+name, WithDecoder(decode)), nil
}
