package vault_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/hashicorp/vault/api"

	"github.com/rollingkeys/rollingkeys/conformance"
	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/storetest"
	"github.com/rollingkeys/rollingkeys/source/vault"
)

// F14, F92: the source is notified of every change of the usable versions. Vault 1.14 loses
// an event among some hundred, so the test repeats each change until the source is notified.
func TestHearsOfEveryChange(t *testing.T) {
	s := newStore(t)
	s.write(token("1"))
	ctx, cancel := context.WithCancel(t.Context())
	changed := make(chan struct{}, 64)
	done := make(chan error, 1)
	src := s.source()
	go func() { done <- src.Notify(ctx, func() { changed <- struct{}{} }) }()
	<-changed // subscribed
	<-changed // and a moment later for certain
	for _, tc := range []struct {
		kind   string
		change func() error
	}{
		{"write", func() error { _, err := s.kv.Put(ctx, "key", token("2")); return err }},
		{"patch", func() error { _, err := s.kv.Patch(ctx, "key", token("3")); return err }},
		{"delete the newest", func() error { return s.kv.Delete(ctx, "key") }},
		{"delete", func() error { return s.kv.DeleteVersions(ctx, "key", []int{1}) }},
		{"undelete", func() error { return s.kv.Undelete(ctx, "key", []int{1}) }},
		{"destroy", func() error { return s.kv.Destroy(ctx, "key", []int{1}) }},
		{"metadata", func() error { return s.kv.PutMetadata(ctx, "key", api.KVMetadataPutInput{}) }},
		{"metadata patched", func() error {
			return s.kv.PatchMetadata(ctx, "key", api.KVMetadataPatchInput{CustomMetadata: map[string]any{"a": "b"}})
		}},
		{"delete all", func() error { return s.kv.DeleteMetadata(ctx, "key") }},
	} {
		heard := false
		for try := range 5 { // Vault sometimes loses an event
			if try > 0 && tc.kind == "delete the newest" {
				// A deleted version cannot be deleted again, so make another first. This may
				// cause an event too.
				_, err := s.kv.Put(ctx, "key", token("4"))
				s.must(err)
				select {
				case <-changed:
				case <-time.After(2 * time.Second):
				}
			}
			s.must(tc.change())
			select {
			case <-changed:
				heard = true
			case <-time.After(2 * time.Second):
			}
			if heard {
				break
			}
		}
		if !heard {
			t.Errorf("%s is never heard of", tc.kind)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Notify: %v", err)
	}
}

// The source heeds events of the secret's path, in the form of earlier and later servers, and
// events that it cannot decode.
func TestHeedsItsOwnEvents(t *testing.T) {
	s := newStore(t)
	g := newGate(t, s)
	event := func(path string) string {
		return `{"data":{"event":{"metadata":{"path":"` + path + `"}},"event_type":"kv-v2/data-write"}}`
	}
	steps := []struct {
		text  string
		heeds bool
	}{
		{event("data/key"), true}, {event("data/other"), false}, {event("metadata/key"), true}, {event("secret/data/key"), true},
		{event("data/monkey"), false}, {event("data/key/below"), false}, {"{}", true}, {"<html>", true}, {event("data/key"), true},
	}
	next := make(chan string)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	g.subscribed(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		reading := conn.CloseRead(ctx)
		for text := range next {
			if conn.Write(reading, websocket.MessageText, []byte(text)) != nil || conn.Ping(reading) != nil {
				return
			}
		}
	})
	src, err := vault.New(g.client(), "secret", "key")
	s.must(err)
	var heard atomic.Int64
	changed := make(chan struct{}, 64)
	done := make(chan error, 1)
	go func() { done <- src.Notify(ctx, func() { heard.Add(1); changed <- struct{}{} }) }()
	<-changed
	<-changed // a moment after the beginning
	want := heard.Load()
	for _, step := range steps {
		next <- step.text
		if step.heeds {
			want++
			<-changed
		}
	}
	close(next) // the connection ends, and Notify returns an error
	if err := <-done; !errors.Is(err, source.ErrUnavailable) || heard.Load() != want {
		t.Errorf("heeded %d events, want %d; error %v", heard.Load(), want, err)
	}
}

// F12: a server without events, or a policy that does not allow them, is no fault. The ring
// polls and does not warn.
func TestPollsWithoutEvents(t *testing.T) {
	for name, begin := range map[string]func(*store, *gate){
		"not permitted":     func(s *store, _ *gate) { s.allow(polls) },
		"no such path":      func(_ *store, g *gate) { g.subscribed(plainly(answers(http.StatusNotFound, conformance.Sentinel))) },
		"not supported":     func(_ *store, g *gate) { g.subscribed(plainly(answers(http.StatusBadRequest, conformance.Sentinel))) },
		"method not taken":  func(_ *store, g *gate) { g.subscribed(plainly(answers(http.StatusMethodNotAllowed, ""))) },
		"a page":            func(_ *store, g *gate) { g.subscribed(plainly(answers(http.StatusOK, "<html>"))) },
		"no WebSocket here": func(_ *store, g *gate) { g.subscribed(plainly(answers(http.StatusUpgradeRequired, ""))) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			g := newGate(t, s)
			begin(s, g)
			s.write(token("1"))
			src, err := vault.New(g.client(), "secret", "key")
			s.must(err)
			ring, said := storetest.Keep(t, src)
			storetest.Eventually(t, "a subscription", func() bool { return g.count(subscription) == 1 })
			s.write(token("2"))
			s.must(ring.Refresh(t.Context()))
			if ring.Version() != "2" || strings.Contains(said(), "warning") {
				t.Errorf("version %q, warned of %q", ring.Version(), said())
			}
		})
	}
}

func plainly(answer func(http.ResponseWriter) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { answer(w) }
}

// F75, F95: an error of the server is a fault, and the ring calls Notify again.
func TestSubscribesAgain(t *testing.T) {
	s := newStore(t)
	g := newGate(t, s)
	g.subscribed(plainly(answers(http.StatusServiceUnavailable, conformance.Sentinel)))
	s.write(token("1"))
	src, err := vault.New(g.client(), "secret", "key")
	s.must(err)
	ring, said := storetest.Keep(t, src)
	storetest.Eventually(t, "a warning", func() bool { return strings.Contains(said(), "no notification, polling only") })
	s.write(token("2"))
	g.subscribed(nil)
	storetest.Eventually(t, "version 2", func() bool { return ring.Version() == "2" })
	if strings.Contains(said(), conformance.Sentinel) {
		t.Error("the server is quoted")
	}
}

// F88: a token that was revoked before the subscription is replaced.
func TestSubscribesWithANewToken(t *testing.T) {
	s := newStore(t)
	g := newGate(t, s)
	s.write(token("1"))
	_, _, method := s.appRole("1h", "2h")
	src, err := vault.New(g.client(), "secret", "key", vault.WithLogin(method))
	s.must(err)
	storetest.Read(t, src, 1)
	_, err = s.root.Logical().Write("sys/leases/revoke-prefix/auth/approle/login", nil)
	s.must(err)
	ctx, cancel := context.WithCancel(t.Context())
	armed := make(chan struct{}, 1)
	done := make(chan error, 1)
	go func() { done <- src.Notify(ctx, func() { armed <- struct{}{} }) }()
	<-armed
	cancel()
	if err := <-done; err != nil || g.count(login) != 2 {
		t.Errorf("%d logins, error %v", g.count(login), err)
	}
}
