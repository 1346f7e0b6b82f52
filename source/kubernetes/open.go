package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"syscall"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/lease"
	"github.com/rollingkeys/rollingkeys/source/internal/pair"
	"github.com/rollingkeys/rollingkeys/source/internal/param"
)

func init() {
	source.Register("kubernetes", open, "field", "id", "secret", "passphrase", "format", "prefix", "kubeconfig", "context")
}

// open opens a source string. The package comment has the parameters.
func open(u *url.URL, query url.Values) (source.Source, error) {
	namespace, name, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if u.Host != "" || namespace == "" || name == "" || strings.Contains(name, "/") {
		return nil, errors.New("want kubernetes:///NAMESPACE/NAME")
	}
	values, err := param.Some(query, "field", "kubeconfig", "context")
	if err != nil {
		return nil, err
	}
	names, named, err := pair.Params(query)
	if err != nil {
		return nil, err
	}
	var opts []Option
	switch {
	case values["field"] != "" && named:
		return nil, errors.New("field cannot be combined with id, secret and passphrase")
	case values["field"] != "":
		decode, err := param.Decoder(query)
		if err != nil {
			return nil, err
		}
		opts = append(opts, WithField(values["field"], decode))
	case query.Has("format"):
		return nil, errors.New("format needs field")
	case named:
		opts = append(opts, WithNames(names.ID, names.Secret, names.Passphrase))
	}
	if values["context"] != "" && values["kubeconfig"] == "" {
		return nil, errors.New("context needs kubeconfig")
	}
	dial := func(context.Context) (typedcorev1.SecretsGetter, error) {
		return dial(values["kubeconfig"], values["context"])
	}
	return newSource(lease.New(dial, hangUp), namespace, name, opts...), nil
}

func dial(kubeconfig, name string) (typedcorev1.SecretsGetter, error) {
	config, err := configure(kubeconfig, name)
	if err != nil {
		return nil, err
	}
	config.QPS = -1 // no limit: the ring limits its readings, and the default of 5 a second would delay a burst of changes
	client, err := typedcorev1.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("%w: the configuration is not valid for a client", source.ErrUnavailable)
	}
	return client, nil
}

// configure returns the address of the API server and the credentials. Its errors quote
// nothing of the files, which contain tokens (F95).
func configure(kubeconfig, name string) (*rest.Config, error) {
	if kubeconfig == "" {
		config, err := rest.InClusterConfig() // client-go reads the token again every minute
		switch {
		case errors.Is(err, rest.ErrNotInCluster):
			return nil, fmt.Errorf("%w: the program is not in a cluster (KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set): name a kubeconfig", source.ErrUnavailable)
		case err != nil:
			return nil, fmt.Errorf("%w: the service account's token cannot be read%s", source.ErrUnavailable, reason(err))
		}
		return config, nil
	}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: kubeconfig},
		&clientcmd.ConfigOverrides{CurrentContext: name},
	).ClientConfig()
	if err != nil {
		if why := reason(err); why != "" {
			return nil, fmt.Errorf("%w: the kubeconfig cannot be read%s", source.ErrUnavailable, why)
		}
		return nil, fmt.Errorf("%w: the kubeconfig is not valid, does not have the context, or names a file that does not exist", source.ErrUnavailable)
	}
	return config, nil
}

// reason returns ": " and the operating system's error without the file's path, or "".
func reason(err error) string {
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return ": " + number.Error()
	}
	return ""
}

func hangUp(client typedcorev1.SecretsGetter) {
	if c, ok := client.(*typedcorev1.CoreV1Client); ok {
		if r, ok := c.RESTClient().(*rest.RESTClient); ok && r.Client != nil {
			utilnet.CloseIdleConnectionsFor(r.Client.Transport)
		}
	}
}
