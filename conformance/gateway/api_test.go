package gateway_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
)

// nginx is held to what the mock is held to.
func TestNginxAPI(t *testing.T) {
	n := startNginx(t, nil)
	conformance.TestAPI(t, n.url, conformance.APIAdmin{
		Accept: func(_ context.Context, keys ...source.Key) error {
			secrets := make(map[string]string)
			for _, key := range keys {
				secrets[key.Version] = key.Secret.Expose()
			}
			n.reload(secrets)
			return nil
		},
		Logged: func(ctx context.Context, id string) ([]string, error) {
			for ctx.Err() == nil { // nginx logs once the answer is out
				if lines := n.readLog()[id]; len(lines) > 0 {
					var list []string
					for _, l := range lines {
						list = append(list, l.version)
					}
					return list, nil
				}
			}
			return nil, fmt.Errorf("no line in nginx's log: %w", ctx.Err())
		},
	})
}
