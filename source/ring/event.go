package ring

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"
)

// EventKind says what an [Event] is about.
type EventKind string

// The kinds of event.
const (
	// Switched: Version is current now, in place of Previous. For the first key
	// Previous is empty.
	Switched EventKind = "switched"
	// RolledBack: Version is current now, in place of Previous, and was current before.
	RolledBack EventKind = "rolled_back"
	// Refused: the server refused Version, which is held from now on. It comes once for
	// each hold, not for every refused request.
	Refused EventKind = "refused"
	// FellBack: requests get Version, a previous key, in place of Previous, the current
	// one, which the server refuses. It is ordinary in a rotation, and passes.
	FellBack EventKind = "fell_back"
	// Recovered: the server accepts Version, the current key, again.
	Recovered EventKind = "recovered"
	// AllRefused: the server refused every key there is, Version among them, the current
	// one.
	AllRefused EventKind = "all_refused"
	// NoKey: Version, the last key, expired or was revoked. Requests fail with Err until
	// the source has another key.
	NoKey EventKind = "no_key"
	// Refreshed: a reading of the source changed the keys, or was the first to succeed
	// after a failure.
	Refreshed EventKind = "refreshed"
	// RefreshFailed: the source could not be read, or its keys could not be used; Err
	// says why. It comes once while Err is the same.
	RefreshFailed EventKind = "refresh_failed"
	// Waiting: Keep waits for the first key; Err says for how long, and why there is none. It
	// comes after the first reading, and then every 30 s.
	Waiting EventKind = "waiting"
	// Stale: the last good reading is older than [WithStaleAfter] or [WithMaxStale] allows.
	// Err wraps the last reading's error, if it failed.
	Stale EventKind = "stale"
	// Expiring: Version, which is current or in use, expires at Until, or reaches
	// [WithMaxAge] then, and has no successor. It comes [WithExpiring] before, and then
	// every day.
	Expiring EventKind = "expiring"
	// Degraded: the ring works worse than it should, and that does not pass by itself; Err
	// says why, and what to do. It comes when requests have got a previous key for 15
	// minutes, or the source has not notified or the cache not been saved for as long; when
	// the newest key cannot be used; and when Version is kept past its overlap, since the
	// server has not accepted Previous, its successor. It comes again every hour while it is
	// about the keys in use, else every day.
	Degraded EventKind = "degraded"
	// OverlapEnded: Version is no longer used: its overlap is over, or it expired, or the
	// source lists it no more.
	OverlapEnded EventKind = "overlap_ended"
	// Revoked: Version is out of use: the source revoked it, or no longer lists it
	// although it was current, or [Ring.Revoke] was called.
	Revoked EventKind = "revoked"
	// Warning: something that an operator should correct; Err says what. It comes once
	// for each text.
	Warning EventKind = "warning"
)

// level has the log level of each kind. Other kinds are logged at debug level.
var level = map[EventKind]slog.Level{
	Switched: slog.LevelInfo, RolledBack: slog.LevelWarn, FellBack: slog.LevelWarn, Recovered: slog.LevelInfo,
	AllRefused: slog.LevelError, NoKey: slog.LevelError, RefreshFailed: slog.LevelWarn, Stale: slog.LevelError, Expiring: slog.LevelWarn,
	Degraded: slog.LevelError, Revoked: slog.LevelWarn, Warning: slog.LevelWarn, Waiting: slog.LevelWarn, Refused: slog.LevelWarn, OverlapEnded: slog.LevelInfo,
}

// An Event is something that happened to a ring. Which of Version, Previous, Until and Err
// are set depends on Kind. It contains no secret.
type Event struct {
	Kind     EventKind `json:"kind"`
	Time     time.Time `json:"time"`
	Source   string    `json:"source"`
	Version  string    `json:"version,omitempty"`
	Previous string    `json:"previous,omitempty"`
	Until    time.Time `json:"until,omitzero"`
	Err      error     `json:"-"`
}

// MarshalJSON encodes the event with the text of Err as "error".
func (e Event) MarshalJSON() ([]byte, error) {
	type fields Event
	var text string
	if e.Err != nil {
		text = e.Err.Error()
	}
	return json.Marshal(struct {
		fields
		Error string `json:"error,omitempty"`
	}{fields(e), text})
}

// LogValue returns the event's fields for a log line, but for Kind and Time.
func (e Event) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("source", e.Source)}
	if e.Version != "" {
		attrs = append(attrs, slog.String("version", e.Version))
	}
	if e.Previous != "" {
		attrs = append(attrs, slog.String("previous", e.Previous))
	}
	if !e.Until.IsZero() {
		attrs = append(attrs, slog.Time("until", e.Until))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("error", e.Err.Error()))
	}
	return slog.GroupValue(attrs...)
}

func logEvent(l *slog.Logger) func(Event) {
	return func(e Event) {
		lvl, ok := level[e.Kind]
		if !ok {
			lvl = slog.LevelDebug
		}
		l.LogAttrs(context.Background(), lvl, "rollingkeys: "+string(e.Kind), slog.Any("key", e))
	}
}
