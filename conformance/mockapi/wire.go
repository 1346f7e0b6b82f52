package mockapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// What the admin API and its client say to each other, in JSON. Durations are
// text such as "1h30m" (time.ParseDuration).

type duration time.Duration

func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err == nil && v < 0 {
		err = errors.New("negative")
	}
	if err != nil {
		return errors.New("want a duration such as 1h30m")
	}
	*d = duration(v)
	return nil
}

type wireSpec struct {
	ID       string            `json:"id,omitempty"`
	Secret   string            `json:"secret,omitempty"`
	Extra    map[string]string `json:"extra,omitempty"`
	Scopes   []string          `json:"scopes,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	After    duration          `json:"after,omitempty"`
	ValidFor duration          `json:"valid_for,omitempty"`
	Replicas map[int]duration  `json:"replicas,omitempty"`
	Inactive bool              `json:"inactive,omitempty"`
	Pending  bool              `json:"pending,omitempty"`
	Unlisted bool              `json:"unlisted,omitempty"`

	Overlap duration `json:"overlap,omitempty"` // of a rotation
}

func (w wireSpec) spec() Spec {
	s := Spec{
		ID: w.ID, Secret: w.Secret, Extra: w.Extra, Scopes: w.Scopes, Metadata: w.Metadata,
		After: time.Duration(w.After), ValidFor: time.Duration(w.ValidFor),
		Inactive: w.Inactive, Pending: w.Pending, Unlisted: w.Unlisted,
	}
	if w.Replicas != nil {
		s.Replicas = make(map[int]time.Duration)
	}
	for i, d := range w.Replicas {
		s.Replicas[i] = time.Duration(d)
	}
	return s
}

func (w wireSpec) overlap() time.Duration { return time.Duration(w.Overlap) }

func toWire(s Spec, overlap time.Duration) wireSpec {
	w := wireSpec{
		ID: s.ID, Secret: s.Secret, Extra: s.Extra, Scopes: s.Scopes, Metadata: s.Metadata,
		After: duration(s.After), ValidFor: duration(s.ValidFor), Overlap: duration(overlap),
		Inactive: s.Inactive, Pending: s.Pending, Unlisted: s.Unlisted,
	}
	if s.Replicas != nil {
		w.Replicas = make(map[int]duration)
	}
	for i, d := range s.Replicas {
		w.Replicas[i] = duration(d)
	}
	return w
}

// wireChange names a version, and what some calls need beside it.
type wireChange struct {
	Version  string   `json:"version"`
	Replicas []int    `json:"replicas,omitempty"`
	After    duration `json:"after,omitempty"`
}

func (w wireChange) after() time.Duration { return time.Duration(w.After) }

type wireRefusal struct {
	// Preset is unauthorized (the default), invalid_token, insufficient_scope,
	// forbidden, or none; the other fields change it.
	Preset   string      `json:"preset,omitempty"`
	Status   int         `json:"status,omitempty"`
	Header   http.Header `json:"header,omitempty"`
	Body     *string     `json:"body,omitempty"`
	Delay    duration    `json:"delay,omitempty"`
	Drip     duration    `json:"drip,omitempty"`
	Endless  bool        `json:"endless,omitempty"`
	ReadBody bool        `json:"read_body,omitempty"`
	Applied  bool        `json:"applied,omitempty"`
}

var presets = map[string]func() Refusal{
	"": Unauthorized, "unauthorized": Unauthorized, "invalid_token": InvalidToken,
	"insufficient_scope": InsufficientScope, "forbidden": Forbidden, "none": func() Refusal { return Refusal{} },
}

func (w wireRefusal) refusal() (Refusal, error) {
	preset, ok := presets[w.Preset]
	if !ok {
		return Refusal{}, fmt.Errorf("unknown preset %q", w.Preset)
	}
	r := preset()
	if w.Status != 0 {
		if w.Status < 200 || w.Status > 599 {
			return Refusal{}, fmt.Errorf("status %d is none of 200 to 599", w.Status)
		}
		r.Status = w.Status
	}
	if w.Body != nil {
		r.Body = *w.Body
	}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	for name, values := range w.Header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	r.Delay, r.Drip, r.Endless = time.Duration(w.Delay), time.Duration(w.Drip), w.Endless
	r.ReadBody, r.Applied = w.ReadBody, w.Applied
	return r, nil
}

func (r Refusal) wire() wireRefusal {
	return wireRefusal{
		Preset: "none", Status: r.Status, Header: r.Header, Body: &r.Body, Delay: duration(r.Delay),
		Drip: duration(r.Drip), Endless: r.Endless, ReadBody: r.ReadBody, Applied: r.Applied,
	}
}

type wireState struct {
	Key      json.RawMessage `json:"key"` // as in the key document, secrets and all
	Replicas []int           `json:"replicas"`
	Revoked  bool            `json:"revoked"`
	Listed   bool            `json:"listed"`
	Pending  bool            `json:"pending"`
	Accepted uint64          `json:"accepted"`
	Refused  uint64          `json:"refused"`
}

type keysDocument struct {
	Keys []json.RawMessage `json:"keys"`
}

// encodeKey writes one key as the key document has it.
func encodeKey(key source.Key) (json.RawMessage, error) {
	data, err := source.EncodeDocument(source.Set{Keys: []source.Key{key}})
	if err != nil {
		return nil, err
	}
	var doc keysDocument
	if err := json.Unmarshal(data, &doc); err != nil || len(doc.Keys) != 1 {
		return nil, errors.New("mockapi: a key cannot be written as JSON")
	}
	return doc.Keys[0], nil
}

// decodeKey reads what encodeKey wrote.
func decodeKey(data json.RawMessage) (source.Key, error) {
	doc, err := json.Marshal(keysDocument{Keys: []json.RawMessage{data}})
	if err != nil {
		return source.Key{}, err
	}
	set, err := source.Document(doc)
	if err != nil {
		return source.Key{}, err
	}
	return set.Keys[0], nil
}
