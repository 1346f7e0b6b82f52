package kubernetes_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	ktesting "k8s.io/client-go/testing"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	rkkubernetes "github.com/rollingkeys/rollingkeys/source/kubernetes"
)

var secrets = schema.GroupResource{Resource: "secrets"}

// A cluster is client-go's fake. It also counts resourceVersions and returns errors on demand.
type cluster struct {
	t       testing.TB
	client  *fake.Clientset
	version atomic.Int64
	err     atomic.Pointer[error] // the error of a get
}

func newCluster(t testing.TB) *cluster {
	c := &cluster{t: t, client: fake.NewClientset()}
	c.client.PrependReactor("get", "secrets", func(ktesting.Action) (bool, runtime.Object, error) {
		if err := c.err.Load(); err != nil {
			return true, nil, *err
		}
		return false, nil, nil
	})
	return c
}

func (c *cluster) fail(err error) {
	if err == nil {
		c.err.Store(nil)
		return
	}
	c.err.Store(&err)
}

// put creates or replaces the Secret.
func (c *cluster) put(data map[string][]byte, labels map[string]string) string {
	c.t.Helper()
	c.fail(nil)
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: "exchange", Labels: labels,
			ResourceVersion: strconv.FormatInt(c.version.Add(1), 10),
		},
		Data: data,
	}
	api := c.client.CoreV1().Secrets("default")
	_, err := api.Update(context.Background(), secret, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		_, err = api.Create(context.Background(), secret, metav1.CreateOptions{})
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return secret.ResourceVersion
}

func (c *cluster) remove() {
	c.t.Helper()
	if err := c.client.CoreV1().Secrets("default").Delete(context.Background(), "exchange", metav1.DeleteOptions{}); err != nil {
		c.t.Fatal(err)
	}
}

func fieldsOf(key source.Key) map[string][]byte {
	return map[string][]byte{
		"api-key": []byte(key.ID), "api-secret": []byte(key.Secret.Expose()),
		"passphrase": []byte(key.Extra["passphrase"].Expose()),
	}
}

func pair(n int) source.Key {
	key := conformance.NewKey(n)
	key.ID = "id-" + key.Version
	key.Extra = map[string]source.Secret{"passphrase": source.NewSecret(conformance.Sentinel + "phrase-" + key.Version)}
	return key
}

// F01, F04, F07, F14, F16, F17, F26, F71, F95, F104: a pair, and a key document in one field.
func TestConformance(t *testing.T) {
	backend := func(opts []rkkubernetes.Option, encode func(testing.TB, ...source.Key) map[string][]byte) func(testing.TB) conformance.SourceBackend {
		return func(t testing.TB) conformance.SourceBackend {
			c := newCluster(t)
			return conformance.SourceBackend{
				Source: rkkubernetes.New(c.client.CoreV1(), "default", "exchange", opts...),
				Put:    func(keys ...source.Key) { c.put(encode(t, keys...), nil) },
				Delete: c.remove,
				Break:  func() { c.fail(apierrors.NewInternalError(errors.New("down"))) },
				Repair: func() { c.fail(nil) },
				Deny:   func() { c.fail(apierrors.NewForbidden(secrets, "exchange", errors.New("revoked"))) },
				Restore: func() {
					c.fail(nil)
				},
				Tear: func(next source.Key) {
					data := encode(t, next)
					delete(data, "api-secret")
					if text, ok := data["keys"]; ok {
						data["keys"] = text[:len(text)/2]
					}
					c.put(data, nil)
				},
			}
		}
	}
	skip := map[string]string{"Hang": "client-go's fake heeds no context; TestFaults of kubernetestest has a server that does not answer"}
	t.Run("Pair", func(t *testing.T) {
		conformance.TestSource(t, conformance.SourceHarness{
			Key: pair, Skip: skip,
			New: backend(nil, func(_ testing.TB, keys ...source.Key) map[string][]byte {
				if len(keys) == 0 {
					return nil
				}
				return fieldsOf(keys[0])
			}),
		})
	})
	t.Run("Document", func(t *testing.T) {
		conformance.TestSource(t, conformance.SourceHarness{
			Key: pair, Lists: true, Skip: skip,
			New: backend([]rkkubernetes.Option{rkkubernetes.WithField("keys", source.Document)},
				func(t testing.TB, keys ...source.Key) map[string][]byte {
					data, err := source.EncodeDocument(source.Set{Keys: keys, Complete: true})
					if err != nil {
						t.Fatal(err)
					}
					return map[string][]byte{"keys": data}
				}),
		})
	})
}

// F16: a new label is no rotation, although it changes the resourceVersion.
func TestVersionIsTheResourceVersion(t *testing.T) {
	c := newCluster(t)
	src := rkkubernetes.New(c.client.CoreV1(), "default", "exchange")
	version := func() string {
		t.Helper()
		set, err := src.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return set.Keys[0].Version
	}
	first := c.put(fieldsOf(pair(1)), nil)
	if got := version(); got != first {
		t.Errorf("version %q, want %q", got, first)
	}
	c.put(fieldsOf(pair(1)), map[string]string{"team": "trading"})
	if got := version(); got != first {
		t.Errorf("version %q after a label was put, want %q", got, first)
	}
	second := c.put(fieldsOf(pair(2)), nil)
	if got := version(); got != second {
		t.Errorf("version %q, want %q", got, second)
	}
}

// F04, F17, F77, F95: each response becomes a typed error.
func TestErrors(t *testing.T) {
	c := newCluster(t)
	for _, e := range []struct {
		err, want error
		retry     time.Duration
	}{
		{apierrors.NewNotFound(secrets, "exchange"), source.ErrNoKey, 0},
		{apierrors.NewUnauthorized("rksentinel_"), source.ErrDenied, 0},
		{apierrors.NewForbidden(secrets, "exchange", errors.New("rksentinel_")), source.ErrDenied, 0},
		{apierrors.NewTooManyRequests("rksentinel_", 7), source.ErrUnavailable, 7 * time.Second},
		{apierrors.NewInternalError(errors.New("rksentinel_")), source.ErrUnavailable, 0},
		{errors.New("rksentinel_"), source.ErrUnavailable, 0},
	} {
		c.fail(e.err)
		_, err := rkkubernetes.New(c.client.CoreV1(), "default", "exchange").Read(t.Context())
		var typed *source.Error
		if !errors.As(err, &typed) || !errors.Is(err, e.want) || typed.RetryAfter != e.retry || strings.Contains(err.Error(), "rksentinel_") {
			t.Errorf("%v becomes %v", e.err, err)
		}
	}
	for _, data := range []map[string][]byte{
		nil, {"api-key": []byte("id")}, {"api-secret": []byte("rksentinel_")},
		{"api-key": []byte("id"), "api-secret": nil}, {"api-key": []byte("id"), "api-secret": []byte("rksentinel_\x01")},
	} {
		c.put(data, nil)
		_, err := rkkubernetes.New(c.client.CoreV1(), "default", "exchange").Read(t.Context())
		if !errors.Is(err, source.ErrNoKey) && !errors.Is(err, source.ErrInvalid) || strings.Contains(err.Error(), "rksentinel_") {
			t.Errorf("%d fields: %v", len(data), err)
		}
	}
}

// F11: a watch continues from the resourceVersion of its last event or bookmark. If that has
// expired (410), a new watch begins with a reading.
func TestWatchGoesOn(t *testing.T) {
	c := newCluster(t)
	type opened struct {
		from string
		w    *watch.FakeWatcher
	}
	watches := make(chan opened)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c.client.PrependWatchReactor("secrets", func(action ktesting.Action) (bool, watch.Interface, error) {
		w := watch.NewFake()
		select {
		case watches <- opened{action.(ktesting.WatchActionImpl).ListOptions.ResourceVersion, w}:
		case <-ctx.Done():
		}
		return true, w, nil
	})
	secret := func(version string) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "exchange", ResourceVersion: version}}
	}
	changed := make(chan struct{}, 16)
	done := make(chan error, 1)
	go func() {
		done <- rkkubernetes.New(c.client.CoreV1(), "default", "exchange").Notify(ctx, func() { changed <- struct{}{} })
	}()
	next := func(from string) *watch.FakeWatcher {
		t.Helper()
		o := <-watches
		if o.from != from {
			t.Errorf("a watch from %q, want %q", o.from, from)
		}
		return o.w
	}

	w := next("")
	<-changed // the watch has begun
	w.Modify(secret("5"))
	<-changed
	w.Action(watch.Bookmark, secret("9"))
	w.Stop()
	w = next("9")
	if len(changed) != 0 {
		t.Error("a bookmark, or a watch that goes on, is no change")
	}
	expired := apierrors.NewResourceExpired("too old").Status()
	w.Error(&expired)
	w = next("")
	<-changed // makes the ring read what the watch has missed
	w.Delete(secret("12"))
	<-changed
	denied := apierrors.NewForbidden(secrets, "exchange", nil).Status()
	w.Error(&denied)
	if err := <-done; !errors.Is(err, source.ErrDenied) {
		t.Errorf("Notify: %v", err)
	}
}
