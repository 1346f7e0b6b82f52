// Package apiserver tests source/kubernetes with a real kube-apiserver and etcd, with
// role-based access control and the token of a service account.
//
// It is a module of its own, since the API server as a library needs more than a hundred
// modules. It needs the build tag "apiserver", since the first build takes minutes: make
// test-kubernetes sets it. make test runs the tests of kubernetestest instead, with a server
// that has the same protocol.
package apiserver
