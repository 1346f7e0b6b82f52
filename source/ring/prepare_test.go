package ring_test

import (
	"errors"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
)

// A scheme that comes while another one prepares the keys of a reading prepares them too.
//
// F116
func TestSchemeComesDuringAReading(t *testing.T) {
	s := &store{set: listed("v1")}
	preparing, come := make(chan struct{}), make(chan struct{})
	r, _ := keep(t, s, ring.WithPrepare(func(k source.Key) (any, error) {
		if k.Version == "v2" {
			close(preparing)
			<-come
		}
		return "first " + k.Version, nil
	}))
	s.put(listed("v2", "v1"), nil)
	read := make(chan error)
	go func() { read <- r.Refresh(t.Context()) }()
	<-preparing
	slot, _, err := r.Prepare(func(k source.Key) (any, error) { return "second " + k.Version, nil })
	if err != nil {
		t.Fatal(err)
	}
	close(come)
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	a := attempt(t, r, "v2")
	defer a.End()
	if first, second := a.Prepared(0), a.Prepared(slot); first != "first v2" || second != "second v2" {
		t.Errorf("prepared are %v and %v", first, second)
	}
}

// Prepare takes no slot for a nil function: its release would free another's.
//
// F109
func TestPrepareWithoutAFunction(t *testing.T) {
	r, _ := keep(t, &store{set: listed("v1")})
	_, release, err := r.Prepare(nil)
	if !errors.Is(err, source.ErrUnusable) {
		t.Errorf("error %v", err)
	}
	slot, _, err := r.Prepare(func(k source.Key) (any, error) { return k.Version, nil })
	if err != nil {
		t.Fatal(err)
	}
	release()
	a := attempt(t, r, "v1")
	defer a.End()
	if got := a.Prepared(slot); got != "v1" {
		t.Errorf("prepared is %v", got)
	}
}

// A scheme sees a key under the name that it will have, also if another key has that name
// until then.
//
// F74, F91
func TestSchemesSeeTheFinalName(t *testing.T) {
	s := &store{set: called("1=a")}
	var seen []string
	r, _ := keep(t, s, ring.WithPrepare(func(k source.Key) (any, error) {
		seen = append(seen, k.Version+"="+k.Secret.Expose())
		return nil, nil
	}))
	s.put(called("1=b", "0=a"), nil)
	refresh(t, r)
	if want := "1=sentinel-b"; r.Version() != "1" || seen[len(seen)-1] != want {
		t.Errorf("the scheme saw %q, want %s last; in use is %s", seen, want, r.Version())
	}
}
