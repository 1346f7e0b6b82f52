package azure

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/rollingkeys/rollingkeys/source"
)

func init() { source.Register("azure", open) }

// open opens a source string; the package comment has the parameters.
func open(u *url.URL, query url.Values) (source.Source, error) {
	src, err := parse(u, query)
	if err != nil {
		return nil, &source.Error{Source: source.Redact(u.String()), Err: fmt.Errorf("%w: %w", source.ErrInvalid, err)}
	}
	return src, nil
}

func parse(u *url.URL, query url.Values) (*Source, error) {
	name := strings.Trim(u.Path, "/")
	if u.Host == "" || name == "" || strings.Contains(name, "/") {
		return nil, errors.New("want azure://VAULT/NAME")
	}
	format, err := format(query)
	if err != nil {
		return nil, err
	}
	host := u.Host
	if !strings.Contains(host, ".") {
		host += ".vault.azure.net"
	}
	credential, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return nil, errors.New("the default credential cannot be made of the environment")
	}
	client, err := azsecrets.NewClient("https://"+host, credential, nil)
	if err != nil {
		return nil, errors.New("no client can be made for the vault")
	}
	s := New(client, name, format)
	s.name = "azure://" + u.Host + "/" + name
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
