package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/lease"
	"github.com/rollingkeys/rollingkeys/source/internal/store"
)

// F104: the client is open for as long as it is used.
func TestLeased(t *testing.T) {
	open, refuse := false, errors.New("refused")
	client := lease.New(func(context.Context) (int, error) {
		open = refuse == nil
		return 7, refuse
	}, func(int) { open = false })
	l := &store.Leased[int]{Client: client, Source: *newSource()}
	read := func(_ context.Context, client int) (source.Set, error) {
		if client != 7 || !open {
			t.Errorf("client %d, open: %v", client, open)
		}
		return source.Set{}, nil
	}
	watch := func(ctx context.Context, client int) error {
		_, err := read(ctx, client)
		return err
	}
	_, err := l.Read(t.Context(), read)
	wantError(t, err, refuse)
	wantError(t, l.Notify(t.Context(), watch), refuse)
	refuse = nil
	if _, err := l.Read(t.Context(), read); err != nil || open {
		t.Errorf("Read: %v, open: %v", err, open)
	}
	if err := l.Notify(t.Context(), watch); err != nil || open {
		t.Errorf("Notify: %v, open: %v", err, open)
	}
}
