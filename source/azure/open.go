package azure

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/pair"
)

func init() { source.Register("azure", open, "id", "secret", "passphrase", "format", "prefix") }

// open opens a source string. The package comment has the parameters.
func open(u *url.URL, query url.Values) (source.Source, error) {
	name := strings.Trim(u.Path, "/")
	if u.Host == "" || name == "" || strings.Contains(name, "/") {
		return nil, errors.New("want azure://VAULT/NAME")
	}
	decode, err := pair.Decoder(query)
	if err != nil {
		return nil, err
	}
	host := u.Host
	if !strings.Contains(host, ".") {
		host += ".vault.azure.net"
	}
	options := azcore.ClientOptions{Transport: newClient()}
	credential, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: options})
	if err != nil {
		return nil, errors.New("the environment has no valid configuration for the default credential")
	}
	client, err := azsecrets.NewClient("https://"+host, credential, &azsecrets.ClientOptions{ClientOptions: options})
	if err != nil {
		return nil, errors.New("the vault's name or host is not valid")
	}
	s := New(client, name, WithDecoder(decode))
	s.base.Name = "azure://" + u.Host + "/" + name
	return s, nil
}

// newClient returns a client for one source and its credentials. The SDK's own is that of the
// whole process.
func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,
		DisableKeepAlives:   true, // F104: a source has no Close, and a reading is mostly one call
	}}
}
