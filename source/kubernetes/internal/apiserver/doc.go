// Package apiserver runs source/kubernetes against a real kube-apiserver, with
// etcd behind it, role-based access and a service account's token. It is a
// module of its own, since the API server as a library brings well over a
// hundred modules, and behind the build tag "apiserver", since building it for
// the first time takes minutes: make test-kubernetes. What make test runs is in
// kubernetestest, with a server that speaks the same protocol.
package apiserver
