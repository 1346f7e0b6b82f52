package mockapi

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// The JSON types of the admin API. Durations are strings such as "1h30m", as in
// time.ParseDuration.

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
}

// wireRotation is the body of the call rotate.
type wireRotation struct {
	wireSpec
	Overlap duration `json:"overlap,omitempty"`
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

// wireChange is the body of the calls that change one version. Replicas is for
// activate and deactivate, After for expire.
type wireChange struct {
	Version  string   `json:"version"`
	Replicas []int    `json:"replicas,omitempty"`
	After    duration `json:"after,omitempty"`
}

type wireReplicas struct {
	Count int `json:"count"`
}

// wireAnswer is an Answer, or the fields that a Refusal shares with it.
type wireAnswer struct {
	Status  int         `json:"status,omitempty"`
	Header  http.Header `json:"header,omitempty"`
	Body    *string     `json:"body,omitempty"`
	Delay   duration    `json:"delay,omitempty"`
	Drip    duration    `json:"drip,omitempty"`
	Endless bool        `json:"endless,omitempty"`
}

// answer returns base with the fields that w sets.
func (w wireAnswer) answer(base Answer) (Answer, error) {
	if w.Status != 0 {
		if w.Status < 200 || w.Status > 599 {
			return Answer{}, fmt.Errorf("status %d is not between 200 and 599", w.Status)
		}
		base.Status = w.Status
	}
	if w.Body != nil {
		base.Body = *w.Body
	}
	if base.Header == nil {
		base.Header = http.Header{}
	}
	for name, values := range w.Header {
		base.Header[http.CanonicalHeaderKey(name)] = values
	}
	base.Delay, base.Drip, base.Endless = time.Duration(w.Delay), time.Duration(w.Drip), w.Endless
	if bodiless(base.Status) && (base.Body != "" || base.Endless) {
		return Answer{}, fmt.Errorf("a response with status %d cannot have a body", base.Status)
	}
	return base, nil
}

type wireRefusal struct {
	// Preset is unauthorized (the default), invalid_token, insufficient_scope,
	// forbidden or none. The other fields override those of the preset.
	Preset string `json:"preset,omitempty"`
	wireAnswer
	ReadBody bool `json:"read_body,omitempty"`
	Applied  bool `json:"applied,omitempty"`
}

var presets = map[string]func() Refusal{
	"": Unauthorized, "unauthorized": Unauthorized, "invalid_token": InvalidToken,
	"insufficient_scope": InsufficientScope, "forbidden": Forbidden, "none": func() Refusal { return Refusal{} },
}

func (w wireRefusal) refusal() (Refusal, error) {
	preset, ok := presets[w.Preset]
	if !ok {
		return Refusal{}, fmt.Errorf("unknown preset %q: want unauthorized, invalid_token, insufficient_scope, forbidden or none", w.Preset)
	}
	r := preset()
	a, err := w.answer(r.answer())
	if err != nil {
		return Refusal{}, err
	}
	return Refusal{
		Status: a.Status, Header: a.Header, Body: a.Body, Delay: a.Delay, Drip: a.Drip, Endless: a.Endless,
		ReadBody: w.ReadBody, Applied: w.Applied,
	}, nil
}

type wireState struct {
	Key      wireKey `json:"key"`
	Replicas []int   `json:"replicas"`
	Revoked  bool    `json:"revoked"`
	Listed   bool    `json:"listed"`
	Pending  bool    `json:"pending"`
	Accepted uint64  `json:"accepted"`
	Refused  uint64  `json:"refused"`
}

func (s KeyState) wire() wireState {
	return wireState{
		Key: toWireKey(s.Key), Replicas: s.Replicas, Revoked: s.Revoked, Listed: s.Listed, Pending: s.Pending,
		Accepted: s.Accepted, Refused: s.Refused,
	}
}

// wireKey is a key with its secrets, as in the key document.
type wireKey struct {
	Version   string            `json:"version"`
	ID        string            `json:"id,omitempty"`
	Secret    string            `json:"secret"`
	Extra     map[string]string `json:"extra,omitempty"`
	CreatedAt time.Time         `json:"created_at,omitzero"`
	NotBefore time.Time         `json:"not_before,omitzero"`
	ExpiresAt time.Time         `json:"expires_at,omitzero"`
	Scopes    []string          `json:"scopes,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
}

func toWireKey(k source.Key) wireKey {
	w := wireKey{
		Version: k.Version, ID: k.ID, Secret: k.Secret.Expose(),
		CreatedAt: k.CreatedAt, NotBefore: k.NotBefore, ExpiresAt: k.ExpiresAt, Scopes: k.Scopes, Metadata: k.Metadata,
	}
	for name, value := range k.Extra {
		if w.Extra == nil {
			w.Extra = make(map[string]string)
		}
		w.Extra[name] = value.Expose()
	}
	return w
}

// The bodies of the responses with lists.
type (
	wireKeys struct {
		Keys []wireState `json:"keys"`
	}
	wireRequests struct {
		Requests []Attempt `json:"requests"`
	}
	wireOrders struct {
		Orders []Order `json:"orders"`
	}
)
