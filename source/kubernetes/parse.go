package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/lease"
	"github.com/rollingkeys/rollingkeys/source/internal/param"
)

func init() { source.Register("kubernetes", open) }

// open opens a source string; the package comment has the parameters.
func open(u *url.URL, query url.Values) (source.Source, error) {
	src, err := parse(u, query)
	if err != nil {
		return nil, &source.Error{Source: source.Redact(u.String()), Err: fmt.Errorf("%w: %w", source.ErrInvalid, err)}
	}
	return src, nil
}

func parse(u *url.URL, query url.Values) (*Source, error) {
	namespace, name, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if u.Host != "" || namespace == "" || name == "" || strings.Contains(name, "/") {
		return nil, errors.New("want kubernetes:///namespace/name")
	}
	values := make(map[string]string)
	names := false
	for _, p := range []string{"field", "kubeconfig", "context", "id", "secret", "passphrase"} {
		names = names || query.Has(p) && (p == "id" || p == "secret" || p == "passphrase")
		var err error
		if values[p], err = param.One(query, p); err != nil {
			return nil, err
		}
	}
	var opts []Option
	switch {
	case values["field"] != "" && names:
		return nil, errors.New("field, and id, secret, passphrase, exclude each other")
	case values["field"] != "":
		decode, err := param.Decoder(query)
		if err != nil {
			return nil, err
		}
		opts = append(opts, WithField(values["field"], decode))
	case query.Has("format"):
		return nil, errors.New("format goes with field")
	case names:
		opts = append(opts, WithNames(values["id"], values["secret"], values["passphrase"]))
	}
	if values["context"] != "" && values["kubeconfig"] == "" {
		return nil, errors.New("context goes with kubeconfig")
	}
	dial := func(context.Context) (typedcorev1.SecretsGetter, error) {
		return dial(values["kubeconfig"], values["context"])
	}
	return newSource(lease.New(dial, hangUp), namespace, name, opts...), nil
}

func dial(kubeconfig, name string) (typedcorev1.SecretsGetter, error) {
	var config *rest.Config
	var err error
	if kubeconfig == "" {
		config, err = rest.InClusterConfig() // its token is read again every minute
	} else {
		config, err = clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
			&clientcmd.ClientConfigLoadingRules{ExplicitPath: kubeconfig},
			&clientcmd.ConfigOverrides{CurrentContext: name},
		).ClientConfig()
	}
	if err != nil {
		return nil, err
	}
	config.QPS = -1 // the ring bounds its readings; 5 a second, the default, would hold up a burst of changes
	return typedcorev1.NewForConfig(config)
}

func hangUp(client typedcorev1.SecretsGetter) {
	if c, ok := client.(*typedcorev1.CoreV1Client); ok {
		if r, ok := c.RESTClient().(*rest.RESTClient); ok && r.Client != nil {
			utilnet.CloseIdleConnectionsFor(r.Client.Transport)
		}
	}
}
