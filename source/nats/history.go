package nats

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollingkeys/rollingkeys/source"
)

// maxVersions is how many versions the source lists at most. A history has up to 64 values.
const maxVersions = 10

// history returns all entries of the key, markers included, newest first. The library's
// History is not used because it returns a part of the entries, and no error, if ctx ends
// early.
func history(ctx context.Context, kv jetstream.KeyValue, key string) ([]jetstream.KeyValueEntry, error) {
	w, err := kv.Watch(ctx, key, jetstream.IncludeHistory())
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.Stop() }()
	var entries []jetstream.KeyValueEntry
	for {
		select {
		case entry, ok := <-w.Updates():
			switch {
			case !ok:
				return nil, fmt.Errorf("%w: the server sent only a part of the history", source.ErrUnavailable)
			case entry != nil:
				entries = append(entries, entry)
				continue
			case len(entries) == 0:
				return nil, jetstream.ErrKeyNotFound
			}
			slices.Reverse(entries)
			return entries, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// list makes a set from a history. The caller has locked mu.
func (s *Source) list(entries []jetstream.KeyValueEntry) (source.Set, error) {
	if entries[0].Operation() != jetstream.KeyValuePut {
		return source.Set{}, fmt.Errorf("%w: the key was deleted", source.ErrNoKey)
	}
	set, err := s.base.Decode(entries[0].Value())
	if err != nil {
		return source.Set{}, err
	}
	if set.Complete || len(set.Keys) != 1 || set.Keys[0].Version != "" {
		return set, nil // the value lists all keys itself, or the decoder has named the key
	}
	var keys []source.Key
	var replaced time.Time // when the entry was replaced
	for _, entry := range entries {
		if entry.Operation() != jetstream.KeyValuePut {
			set.Complete = true // F70: a marker revokes all before it
			break
		}
		// An older value that cannot be decoded was never a key. Only the newest must be one.
		if got, err := s.base.Decode(entry.Value()); err == nil && len(got.Keys) == 1 {
			got.Keys[0].ReplacedAt = replaced
			keys = s.add(keys, got.Keys[0], entry)
		}
		replaced = entry.Created()
	}
	set.Keys = keys[:min(len(keys), maxVersions)]
	if s.revokes && entries[0].Revision() > s.marker {
		set.Complete = true
	}
	return set, nil
}

// add adds the key of an entry. If keys has the key already, it gets the name and the time of
// this older entry, and keeps its ReplacedAt.
func (s *Source) add(keys []source.Key, key source.Key, entry jetstream.KeyValueEntry) []source.Key {
	i := slices.IndexFunc(keys, key.SameContent)
	if i < 0 {
		i, keys = len(keys), append(keys, key)
	}
	keys[i].Version, keys[i].CreatedAt = strconv.FormatUint(entry.Revision(), 10), entry.Created()
	// F16: the name stays when the history loses the first of several equal entries.
	for _, known := range s.set.Keys {
		if known.SameContent(key) {
			keys[i].Version, keys[i].CreatedAt = known.Version, known.CreatedAt
		}
	}
	return keys
}
