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
)

func init() { source.Register("gcp", open) }

// open opens a source string; the package comment has the parameters.
func open(u *url.URL, query url.Values) (source.Source, error) {
	src, err := parse(u, query)
	if err != nil {
		return nil, &source.Error{Source: source.Redact(u.String()), Err: fmt.Errorf("%w: %w", source.ErrInvalid, err)}
	}
	return src, nil
}

func parse(u *url.URL, query url.Values) (*Source, error) {
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
	format, err := format(query)
	if err != nil {
		return nil, err
	}
	s := New(nil, secret+"/secrets/"+name, format)
	s.dial = func(ctx context.Context) (*secretmanager.Client, error) { return secretmanager.NewClient(ctx, opts...) }
	return s, nil
}

// format takes the parameters that say what a value holds out of query.
func format(query url.Values) (Option, error) {
	param := make(map[string]string)
	for _, name := range []string{"format", "id", "secret", "passphrase"} {
		if values, ok := query[name]; ok {
			if len(values) > 1 {
				return nil, fmt.Errorf("%s is given twice", name)
			}
			param[name] = values[0]
			query.Del(name)
		}
	}
	if param["id"]+param["secret"]+param["passphrase"] != "" {
		if param["format"] != "" {
			return nil, errors.New("format has no meaning beside id, secret and passphrase")
		}
		return WithFields(param["id"], param["secret"], param["passphrase"]), nil
	}
	switch param["format"] {
	case "", "plain":
		return WithDecoder(source.Plain), nil
	case "json":
		return WithDecoder(source.Document), nil
	case "pem":
		return WithDecoder(source.PEM), nil
	}
	return nil, errors.New("format is none of plain, json, pem")
}
