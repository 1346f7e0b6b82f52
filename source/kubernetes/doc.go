// Package kubernetes reads keys from a Secret by the API, without a mount, and
// hears of a change within milliseconds where a mount takes up to a minute.
//
//	config, err := rest.InClusterConfig()
//	client, err := kubernetes.NewForConfig(config) // k8s.io/client-go
//	...
//	src := rkkubernetes.New(client.CoreV1(), "default", "exchange")
//
// where rkkubernetes is this package under another name than the client's. Hand
// src to ring.Keep. Importing the package also opens source strings:
//
//	kubernetes:///default/exchange                       namespace and name, in the cluster
//	kubernetes:///default/exchange?field=token           WithField, one token
//	kubernetes:///default/exchange?field=keys&format=json plain (default), json, pem, dotenv (with prefix)
//	kubernetes:///default/exchange?id=user&secret=pass&passphrase=   WithNames
//	kubernetes:///default/exchange?kubeconfig=/home/bot/.kube/config&context=prod
//
// The configuration is read when the ring first reads, and again while it cannot
// be used: an error says what is wrong with it.
//
// # What is listed
//
// One key of the Secret's data, as a directory that it is mounted into would
// have it: "api-key" is the ID, "api-secret" the Secret and "passphrase" an
// Extra; [WithNames] has other names. Or one field with a token, a key document
// or what else the decoder makes of it ([WithField]). A Secret is written as a
// whole, so that no pair is torn.
//
// A version is named by the resourceVersion at which the source first saw its
// content: changes to labels and annotations are no rotation and leave the name
// (F16), though a process that starts after one has the later. The API keeps no
// earlier versions: the ring remembers what it replaced for its overlap. Where
// every process must know of several keys and their lifetimes, put a key document.
//
// # What is noticed
//
// The source watches the one Secret and gets it whenever it changes. A watch
// ends every few minutes and goes on from the resourceVersion it had; when the
// server no longer has that (410 Gone), it begins anew, and gets. A Secret that
// is deleted is an error, and the ring goes on with the keys it has.
//
// # Permissions
//
// A Role with the verbs get and watch on this Secret by name, and no list:
//
//	rules:
//	- apiGroups: [""]
//	  resources: ["secrets"]
//	  resourceNames: ["exchange"]
//	  verbs: ["get", "watch"]
package kubernetes
