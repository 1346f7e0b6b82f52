package kubernetes_test

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/rollingkeys/rollingkeys/source"
	rkkubernetes "github.com/rollingkeys/rollingkeys/source/kubernetes"
)

func Example() {
	ctx := context.Background()
	// In a cluster: kubernetes.NewForConfig of what rest.InClusterConfig returns.
	client := fake.NewClientset(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "exchange"},
		Data:       map[string][]byte{"api-key": []byte("k-1"), "api-secret": []byte("s-1")},
	})
	ring, err := source.Keep(ctx, rkkubernetes.New(client.CoreV1(), "default", "exchange"), source.WithLogger(nil))
	if err != nil {
		panic(err)
	}
	defer ring.Close()
	key, err := ring.InUse()
	fmt.Println(key.ID, key.Secret, err)
	// Output: k-1 [redacted] <nil>
}
