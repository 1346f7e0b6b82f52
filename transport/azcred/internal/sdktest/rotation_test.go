package sdktest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/messaging"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/eventgrid/azeventgrid"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/azcred"
	"github.com/rollingkeys/rollingkeys/transport/internal/drill"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) } // F104

func key(n int) source.Key { return drill.Key(fmt.Sprint("v", n)) }

// bench is a cloud over TLS, and a ring.
type bench struct {
	*cloud
	t      *testing.T
	store  *drill.Store
	ring   *ring.Ring
	server *httptest.Server
}

func newBench(t *testing.T, http2 bool, wait time.Duration, keys ...source.Key) *bench {
	t.Helper()
	b := &bench{cloud: &cloud{}, t: t, store: drill.NewStore(keys...)}
	for _, k := range keys {
		b.Accepted = append(b.Accepted, k.Version)
	}
	b.ring = b.store.Keep(t, ring.WithRefusalWait(wait))
	b.server = httptest.NewUnstartedServer(b.cloud)
	b.server.EnableHTTP2 = http2
	b.server.StartTLS()
	t.Cleanup(func() {
		b.ring.Close()
		b.server.CloseClientConnections()
		b.server.Close()
	})
	return b
}

// under returns the options of a client whose requests the project's transport sends.
func (b *bench) under(scheme transport.Scheme) policy.ClientOptions {
	t := transport.New(b.ring, scheme, transport.WithOrigin(b.server.URL), transport.WithBase(b.server.Client().Transport))
	return policy.ClientOptions{Transport: &http.Client{Transport: t}}
}

// calls returns one call for each client, with its credential and those options.
func (b *bench) calls(cred azcore.TokenCredential, key *azcore.KeyCredential, bearer, sas policy.ClientOptions) map[string]drill.Write {
	b.t.Helper()
	var blobs *azblob.Client
	var err error
	if cred == nil {
		blobs, err = azblob.NewClientWithNoCredential(b.server.URL, &azblob.ClientOptions{ClientOptions: bearer})
	} else {
		blobs, err = azblob.NewClient(b.server.URL, cred, &azblob.ClientOptions{ClientOptions: bearer})
	}
	if err != nil {
		b.t.Fatal(err)
	}
	secrets, err := azsecrets.NewClient(b.server.URL, cred, &azsecrets.ClientOptions{ClientOptions: bearer, DisableChallengeResourceVerification: true})
	if err != nil {
		b.t.Fatal(err)
	}
	grid, err := azeventgrid.NewClientWithSharedKeyCredential(b.server.URL+"/api/events", key, &azeventgrid.ClientOptions{ClientOptions: sas})
	if err != nil {
		b.t.Fatal(err)
	}
	return map[string]drill.Write{
		"azblob": func(ctx context.Context, name, text string) error {
			_, err := blobs.UploadBuffer(ctx, "container", name, []byte(text), nil)
			return err
		},
		"azsecrets": func(ctx context.Context, name, text string) error {
			_, err := secrets.SetSecret(ctx, name, azsecrets.SetSecretParameters{Value: &text}, nil)
			return err
		},
		"azeventgrid": func(ctx context.Context, name, text string) error {
			event, err := messaging.NewCloudEvent("test", "test", text, &messaging.CloudEventOptions{})
			if err != nil {
				return err
			}
			event.ID = name
			_, err = grid.PublishCloudEvents(ctx, []messaging.CloudEvent{event}, nil)
			return err
		},
	}
}

// fallingBack returns the calls of clients over the project's transport, without a
// credential.
func (b *bench) fallingBack() map[string]drill.Write {
	return b.calls(nil, nil, b.under(transport.Bearer()), b.under(transport.Header("aeg-sas-key")))
}

// overBoth runs a test over HTTP/1.1 and HTTP/2, in parallel with other tests, since it
// mostly waits for hold-offs.
func overBoth(t *testing.T, test func(*testing.T, *bench)) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, http2, 5*time.Second, key(1))
			test(t, b)
			if b.unasked > 0 {
				t.Errorf("%d requests without a key", b.unasked)
			}
			t.Logf("%d calls, %d refused on the way", b.Applied, b.Refused)
		})
	}
}

// F119, F115, F58, F61: keys rotate while clients of the SDK make calls, and each key
// is published before the service accepts it. No call fails or writes half of its text.
func TestRotatesSourceFirst(t *testing.T) {
	overBoth(t, func(t *testing.T, b *bench) {
		load := b.Load(t, b.fallingBack())
		defer load.End()
		b.Rotation(b.store, b.ring).SourceFirst(t, load, 2, 5)
	})
}

// F119, F115, F88: the service drops the key before the source has the next one.
func TestRotatesServerFirst(t *testing.T) {
	overBoth(t, func(t *testing.T, b *bench) {
		load := b.Load(t, b.fallingBack())
		defer load.End()
		b.Rotation(b.store, b.ring).ServerFirst(t, load, 2, 5)
	})
}

// F58: a call is sent once with each key, whether one is accepted or none. The SDK's
// retries do not multiply that.
func TestACallIsSentOnceWithEachKey(t *testing.T) {
	for _, valid := range []bool{true, false} {
		for kind := range newBench(t, true, time.Millisecond, key(1)).fallingBack() {
			t.Run(fmt.Sprintf("%s, the second key valid: %v", kind, valid), func(t *testing.T) {
				b := newBench(t, true, time.Millisecond, key(2), key(1))
				b.Accept()
				if valid {
					b.Accept(key(1).Version)
				}
				if err := b.Make(t.Context(), b.fallingBack()[kind], "once"); (err == nil) != valid {
					t.Errorf("error %v", err)
				} else if err != nil && strings.Contains(err.Error(), drill.Sentinel) {
					t.Error("the error holds a secret") // F95
				}
				if b.WantSeen(t, "v2", "v1"); b.unasked > 0 {
					t.Errorf("%d requests without a key", b.unasked)
				}
			})
		}
	}
}

// F119: the credentials follow the ring, without a fall-back and in spite of the SDK's
// caches: every call after a switch has the new key.
func TestCredentialsFollowTheRing(t *testing.T) {
	b := newBench(t, true, time.Millisecond, key(1))
	b.challenge = true // as Key Vault's client wants at first
	keys, stop, err := azcred.KeyCredential(b.ring)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	options := policy.ClientOptions{Transport: b.server.Client()}
	calls := b.calls(azcred.TokenCredential(b.ring), keys, options, options)
	for n := 1; n <= 10; n++ {
		b.Accept(key(n).Version, key(n-1).Version)
		b.store.Put(key(n))
		if err := b.ring.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		drill.Until(t, "the key", func() bool { // the key credential follows by events, on a goroutine of their own
			if err := b.Make(t.Context(), calls["azeventgrid"], fmt.Sprint("until-", n)); err != nil {
				t.Errorf("rotation %d: %v", n, err)
			}
			return b.last() == key(n).Version
		})
		b.Accept(key(n).Version)
		for kind, call := range calls {
			if err := b.Make(t.Context(), call, fmt.Sprint(kind, "-", n)); err != nil {
				t.Errorf("rotation %d: %s: %v", n, kind, err)
			}
		}
	}
}
