package mockapi

import (
	"context"

	"github.com/rollingkeys/rollingkeys/source"
)

// Source returns the key document as a source, without a network: what is read is what
// [API.KeysURL] serves, and a ring is notified of each change at once. It works in a
// testing/synctest bubble too. Intercepts and the token of the document do not
// apply; [API.KeyReads] counts its readings.
func (a *API) Source() source.Notifier { return documentSource{a} }

type documentSource struct{ api *API }

// Read returns the keys of the document.
func (s documentSource) Read(ctx context.Context) (source.Set, error) {
	if err := ctx.Err(); err != nil {
		return source.Set{}, err
	}
	data, _, _, err := s.api.readDocument()
	if err != nil {
		return source.Set{}, err
	}
	s.api.doc.reads.Add(1)
	return source.Document(data)
}

// Notify calls changed when the document may have changed. It returns when ctx ends or the
// API is closed.
func (s documentSource) Notify(ctx context.Context, changed func()) error {
	for {
		_, _, moved, _ := s.api.readDocument()
		changed()
		select {
		case <-moved:
		case <-ctx.Done():
			return nil
		case <-s.api.ctx.Done():
			return nil
		}
	}
}

// String returns the name of the source.
func (s documentSource) String() string { return "mockapi" }
