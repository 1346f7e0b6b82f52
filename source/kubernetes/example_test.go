package kubernetes_test

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	rkkubernetes "github.com/rollingkeys/rollingkeys/source/kubernetes"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

func Example() {
	ctx := context.Background()
	// In a cluster, pass the result of rest.InClusterConfig to kubernetes.NewForConfig.
	client := fake.NewClientset(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "exchange"},
		Data:       map[string][]byte{"api-key": []byte("k-1"), "api-secret": []byte("s-1")},
	})
	keys, err := ring.Keep(ctx, rkkubernetes.New(client.CoreV1(), "default", "exchange"), ring.WithLogger(nil))
	if err != nil {
		panic(err)
	}
	defer keys.Close()
	key, err := keys.InUse()
	fmt.Println(key.ID, key.Secret, err)
	// Output: k-1 [redacted] <nil>
}
