//go:build apiserver

package apiserver_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest/proxy"
	"github.com/rollingkeys/rollingkeys/source/kubernetes/internal/apiserver"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// shared is the server of all tests. Each test has a namespace of its own.
var shared *apiserver.Server

type tests struct{ *testing.M }

func (m tests) Run() (code int) {
	var err error
	shared, err = apiserver.Start()
	defer func() {
		shared.Stop()
		if code != 0 {
			fmt.Fprintf(os.Stderr, "kube-apiserver: %s\n", shared.Log.Bytes())
		}
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.M.Run()
}

// F104: after the server has stopped, no goroutine is left.
func TestMain(m *testing.M) { proxy.VerifyTestMain(tests{m}) }

// A bot is a service account that may get and watch the Secret "exchange" of its
// namespace, and nothing else.
type bot struct {
	t         testing.TB
	namespace string
	token     string // the file with its token
}

func newBot(t testing.TB) *bot {
	t.Helper()
	ctx := context.Background()
	space, err := shared.Admin.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "trading-"}}, metav1.CreateOptions{})
	b := &bot{t: t, namespace: space.GetName(), token: filepath.Join(t.TempDir(), "token")}
	b.must(err)
	named := metav1.ObjectMeta{Name: "bot"}
	_, err = shared.Admin.CoreV1().ServiceAccounts(b.namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: named}, metav1.CreateOptions{})
	b.must(err)
	_, err = shared.Admin.RbacV1().Roles(b.namespace).Create(ctx, &rbacv1.Role{
		ObjectMeta: named,
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"exchange"}, Verbs: []string{"get", "watch"}}},
	}, metav1.CreateOptions{})
	b.must(err)
	b.grant()
	issued, err := shared.Admin.CoreV1().ServiceAccounts(b.namespace).CreateToken(ctx, "bot", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	b.must(err)
	b.must(os.WriteFile(b.token, []byte(issued.Status.Token), 0o600))
	return b
}

func (b *bot) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// grant binds the bot to its role, and revoke deletes the binding. Both take effect after a
// delay.
func (b *bot) grant() {
	b.t.Helper()
	_, err := shared.Admin.RbacV1().RoleBindings(b.namespace).Create(context.Background(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "bot"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "bot"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: b.namespace, Name: "bot"}},
	}, metav1.CreateOptions{})
	b.must(err)
}

func (b *bot) revoke() {
	b.t.Helper()
	b.must(shared.Admin.RbacV1().RoleBindings(b.namespace).Delete(context.Background(), "bot", metav1.DeleteOptions{}))
}

// parse opens the source string of a Secret's field "token". The source uses the bot's
// identity and the server or proxy at addr.
func (b *bot) parse(addr, secret string) source.Source {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), "config")
	b.must(os.WriteFile(path, fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Config","current-context":"test",
		"clusters":[{"name":"test","cluster":{"server":"https://%s","certificate-authority":%q}}],
		"users":[{"name":"bot","user":{"tokenFile":%q}}],
		"contexts":[{"name":"test","context":{"cluster":"test","user":"bot"}}]}`, addr, shared.CA, b.token), 0o600))
	src, _, err := source.Parse("kubernetes:///" + b.namespace + "/" + secret + "?field=token&kubeconfig=" + path)
	b.must(err)
	return src
}

// keep puts the first key into the Secret and keeps the Secret in a ring, with requests that
// use the ring.
func (b *bot) keep() (keys *ring.Ring, said func() string) {
	b.t.Helper()
	b.put(1)
	keys, said = storetest.Keep(b.t, b.parse(shared.Addr, "exchange"))
	storetest.Requests(b.t, keys)
	b.put(2)
	storetest.Uses(b.t, keys, 2)
	return keys, said
}

// put writes the n-th key into the Secret, which it creates if necessary. It returns the
// Secret's version.
func (b *bot) put(n int) (version string) {
	b.t.Helper()
	b.must(b.change(func(secret *corev1.Secret) {
		secret.Data = map[string][]byte{"token": []byte(conformance.NewKey(n).Secret.Expose())}
	}, &version))
	return version
}

// change reads, changes and updates the Secret. It tries again if the Secret was updated in
// between.
func (b *bot) change(edit func(*corev1.Secret), version *string) error {
	ctx, api := context.Background(), shared.Admin.CoreV1().Secrets(b.namespace)
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		secret, err := api.Get(ctx, "exchange", metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			secret = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "exchange"}}
			edit(secret)
			secret, err = api.Create(ctx, secret, metav1.CreateOptions{})
		case err == nil:
			edit(secret)
			secret, err = api.Update(ctx, secret, metav1.UpdateOptions{})
		}
		*version = secret.GetResourceVersion()
		return err
	})
}
