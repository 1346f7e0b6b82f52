// Package kubernetestest tests source/kubernetes over real connections, with a server that
// has the API's protocol for one Secret: get, and watch with resourceVersion
// (https://kubernetes.io/docs/reference/using-api/api-concepts/). It is a module of its own,
// so that users of the source do not depend on what the tests need.
package kubernetestest

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/rollingkeys/rollingkeys/source/internal/listen"
)

// A Server has the Secret "exchange" in the namespace "default".
type Server struct {
	Addr string

	mu      sync.Mutex
	http    *httptest.Server
	end     context.CancelFunc // ends all open watches
	history []event            // one for each resourceVersion from 1 on
	oldest  int                // a watch from an earlier resourceVersion gets 410
	denied  bool
	changed chan struct{}
}

type event struct {
	Type   string               `json:"type"`
	Object runtime.RawExtension `json:"object"`
	secret *corev1.Secret       // nil if the Secret was deleted
}

// Start starts a server on loopback.
func Start() (*Server, error) {
	s := &Server{changed: make(chan struct{})}
	return s, s.Restart()
}

// Restart starts a killed server with the same address and data.
func (s *Server) Restart() error {
	addr := s.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := listen.At(addr)
	if err != nil {
		return err
	}
	s.Addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	s.end = cancel
	s.http = &httptest.Server{Listener: l, Config: &http.Server{
		Handler: http.HandlerFunc(s.serve), BaseContext: func(net.Listener) context.Context { return ctx },
	}}
	s.http.Start()
	return nil
}

// Kill closes every connection and ends the server.
func (s *Server) Kill() {
	s.http.CloseClientConnections()
	s.end() // a watch may have begun in between, and Close would wait for it
	s.http.Close()
}

// Put creates or changes the Secret.
func (s *Server) Put(data map[string][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	version := strconv.Itoa(len(s.history) + 1)
	kind := "MODIFIED"
	if len(s.history) == 0 || s.history[len(s.history)-1].secret == nil {
		kind = "ADDED"
	}
	secret := &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{Kind: "Secret", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "exchange", ResourceVersion: version},
		Data:       data,
	}
	s.history = append(s.history, event{Type: kind, Object: runtime.RawExtension{Object: secret}, secret: secret})
	close(s.changed)
	s.changed = make(chan struct{})
}

// Delete deletes the Secret.
func (s *Server) Delete() {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.history[len(s.history)-1].secret.DeepCopy()
	last.ResourceVersion = strconv.Itoa(len(s.history) + 1)
	s.history = append(s.history, event{Type: "DELETED", Object: runtime.RawExtension{Object: last}})
	close(s.changed)
	s.changed = make(chan struct{})
}

// Deny makes the server refuse all requests, or none. Open watches go on.
func (s *Server) Deny(all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied = all
}

// Compact forgets all versions except the last. A watch from an older one gets 410.
func (s *Server) Compact() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.oldest = len(s.history)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	const secrets = "/api/v1/namespaces/default/secrets"
	query := r.URL.Query()
	s.mu.Lock()
	denied := s.denied
	s.mu.Unlock()
	switch {
	case denied:
		refuse(w, http.StatusForbidden, metav1.StatusReasonForbidden)
	case r.URL.Path == secrets+"/exchange":
		s.get(w)
	case r.URL.Path == secrets && query.Get("watch") != "" && query.Get("fieldSelector") == "metadata.name=exchange":
		s.watch(w, r, query.Get("resourceVersion"))
	default:
		refuse(w, http.StatusForbidden, metav1.StatusReasonForbidden) // this includes list
	}
}

func refuse(w http.ResponseWriter, code int32, reason metav1.StatusReason) {
	w.WriteHeader(int(code))
	_ = json.NewEncoder(w).Encode(status(code, reason))
}

func status(code int32, reason metav1.StatusReason) *metav1.Status {
	return &metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: code, Reason: reason,
	}
}

func (s *Server) get(w http.ResponseWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.history) == 0 || s.history[len(s.history)-1].secret == nil {
		refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound)
		return
	}
	_ = json.NewEncoder(w).Encode(s.history[len(s.history)-1].secret)
}

// watch sends the events after the version from. Without a version it sends the present
// Secret and the events after it.
func (s *Server) watch(w http.ResponseWriter, r *http.Request, from string) {
	next, _ := strconv.Atoi(from)
	s.mu.Lock()
	switch {
	case from == "" && len(s.history) > 0:
		next = len(s.history) - 1
	case from != "" && next < s.oldest:
		s.mu.Unlock()
		_ = json.NewEncoder(w).Encode(event{Type: "ERROR", Object: runtime.RawExtension{Object: status(http.StatusGone, metav1.StatusReasonExpired)}})
		return
	}
	s.mu.Unlock()
	for {
		s.mu.Lock()
		news, changed := s.history[min(next, len(s.history)):], s.changed
		s.mu.Unlock()
		for _, e := range news {
			if err := json.NewEncoder(w).Encode(e); err != nil {
				return
			}
		}
		next += len(news)
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}
