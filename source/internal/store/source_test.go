package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/store"
)

func newSource() *store.Source {
	return &store.Source{
		Name: "store:key", Decoder: source.Plain, Patience: store.Patience,
		Explain:    func(_ context.Context, err error) error { return fmt.Errorf("%w: %w", source.ErrUnavailable, err) },
		RetryAfter: func(error) time.Duration { return time.Minute },
	}
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	var typed *source.Error
	if !errors.As(err, &typed) || typed.Source != "store:key" || typed.RetryAfter != time.Minute || !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
}

// F75, F78
func TestReadIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		_, err := newSource().Read(t.Context(), func(ctx context.Context) (source.Set, error) {
			<-ctx.Done()
			return source.Set{}, ctx.Err()
		})
		wantError(t, err, context.DeadlineExceeded)
		if took := time.Since(started); took != store.Patience {
			t.Errorf("it took %v", took)
		}
	})
}

func TestNotify(t *testing.T) {
	s, failed := newSource(), errors.New("failed")
	returns := func(err error) func(context.Context) error { return func(context.Context) error { return err } }
	wantError(t, s.Notify(t.Context(), returns(failed)), failed)
	if err := s.Notify(t.Context(), returns(nil)); err != nil {
		t.Errorf("without an error: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Notify(ctx, returns(failed)); err != nil {
		t.Errorf("after its context: %v", err)
	}
}

// F16
func TestTheSameContentKeepsItsName(t *testing.T) {
	var names store.Names
	for i, step := range []struct{ secret, given, want string }{
		{"sentinel-a", "", "0"},
		{"sentinel-a", "", "0"},
		{"sentinel-b", "", "2"},
		{"sentinel-c", "v7", "v7"}, // the decoder has named it
		{"sentinel-b", "", "2"},
		{"sentinel-a", "", "5"},
	} {
		set := source.Set{Keys: []source.Key{{Version: step.given, Secret: source.NewSecret(step.secret)}}}
		names.Name(set, fmt.Sprint(i))
		if got := set.Keys[0].Version; got != step.want {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
	}
	two := source.Set{Keys: make([]source.Key, 2)}
	if names.Name(two, "9"); two.Keys[0].Version != "" {
		t.Error("one of two was named")
	}
}
