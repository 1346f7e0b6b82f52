// Package kubernetes reads keys from a Secret with the Kubernetes API. It needs no mount, and
// notices a change within milliseconds. A mounted Secret takes up to a minute.
//
//	config, err := rest.InClusterConfig()
//	client, err := kubernetes.NewForConfig(config) // k8s.io/client-go
//	...
//	src := rkkubernetes.New(client.CoreV1(), "default", "exchange")
//
// Here rkkubernetes is this package, imported under a name other than the client's. Pass src to
// ring.Keep. If the package is imported, [source.Parse] and ring.Open also open these source
// strings:
//
//	kubernetes:///default/exchange                       namespace and name, in the cluster
//	kubernetes:///default/exchange?field=token           WithField, one token
//	kubernetes:///default/exchange?field=keys&format=json plain (default), json, pem, dotenv (with prefix)
//	kubernetes:///default/exchange?id=user&secret=pass&passphrase=   WithNames
//	kubernetes:///default/exchange?kubeconfig=/home/bot/.kube/config&context=prod
//
// The source of a string reads the configuration when the ring first reads the source. While the
// configuration is not valid, each reading fails with an error that says what is wrong, and the
// next one reads the configuration again.
//
// # Versions
//
// The source lists one key, which it reads from several fields of the Secret's data. They
// have the names that package source/file uses for a mounted Secret: "api-key" is the ID,
// "api-secret" the Secret and "passphrase" an Extra. [WithNames] sets other names. With
// [WithField] the source decodes a single field instead, which contains a token, a key
// document or another form. A Secret is written as a whole, so the source never mixes two
// keys.
//
// A version is named by the resourceVersion at which the source first saw its content. If a
// label or an annotation changes, that is no rotation and the name stays. A process
// that starts after such a change uses the later resourceVersion. The API keeps no earlier
// versions, so the ring remembers the keys that it replaces for its overlap. If every process
// must know several keys and their lifetimes, put a key document into the Secret.
//
// # Notifications
//
// The source watches the Secret, and the ring reads it whenever it changes. The server ends a
// watch every few minutes, and the source continues it from the last resourceVersion. If the
// server no longer has that version (410 Gone), the source begins a new watch, and the ring
// reads the Secret. If the Secret is deleted, the reading fails and the ring keeps its keys.
//
// # Permissions
//
// The source needs a Role with the verbs get and watch for this Secret by name. It does not need
// list:
//
//	rules:
//	- apiGroups: [""]
//	  resources: ["secrets"]
//	  resourceNames: ["exchange"]
//	  verbs: ["get", "watch"]
package kubernetes
