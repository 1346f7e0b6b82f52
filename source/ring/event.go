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
	// Switched: Version is current now, in place of Previous. It comes for the
	// first key too, with no Previous.
	Switched EventKind = "switched"
	// RolledBack: Version is current now, and it had been before.
	RolledBack EventKind = "rolled_back"
	// Refused: the server refused Version. It comes once each time that the
	// version's standing changes, not for every request.
	Refused EventKind = "refused"
	// FellBack: Version, a previous key, is used in place of Previous, the
	// current one, which the server refuses for now.
	FellBack EventKind = "fell_back"
	// Recovered: the server takes the current key, Version, again.
	Recovered EventKind = "recovered"
	// AllRefused: the server refused every key there is.
	AllRefused EventKind = "all_refused"
	// NoKey: Version, the last key there was, went out of use: it expired or was
	// revoked. Requests fail until the source has another; Err says so.
	NoKey EventKind = "no_key"
	// Refreshed: the source was read and had something new, or could be read again.
	Refreshed EventKind = "refreshed"
	// RefreshFailed: the source could not be read, or what it had could not be used; Err says why.
	RefreshFailed EventKind = "refresh_failed"
	// Stale: no good reading for longer than WithStaleAfter.
	Stale EventKind = "stale"
	// Expiring: Version, the current key, expires soon and has no successor.
	Expiring EventKind = "expiring"
	// OverlapEnded: Version is no longer used: its overlap, or its own time, is over.
	OverlapEnded EventKind = "overlap_ended"
	// Revoked: Version is out of use, by the source's word or by Revoke.
	Revoked EventKind = "revoked"
	// Warning: something that an operator should mend; Err says what.
	Warning EventKind = "warning"
)

// level is the log level of each kind; kinds that are not listed are logged at debug level.
var level = map[EventKind]slog.Level{
	Switched: slog.LevelInfo, RolledBack: slog.LevelWarn, FellBack: slog.LevelWarn, Recovered: slog.LevelInfo,
	AllRefused: slog.LevelError, NoKey: slog.LevelError, RefreshFailed: slog.LevelWarn, Stale: slog.LevelError, Expiring: slog.LevelWarn,
	Revoked: slog.LevelWarn, Warning: slog.LevelWarn, Refused: slog.LevelWarn, OverlapEnded: slog.LevelInfo,
}

// An Event is something that happened to a ring. It holds no secret.
type Event struct {
	Kind     EventKind `json:"kind"`
	Time     time.Time `json:"time"`
	Source   string    `json:"source"`
	Version  string    `json:"version,omitempty"`
	Previous string    `json:"previous,omitempty"`
	Err      error     `json:"-"`
}

// MarshalJSON adds the text of Err, as "error".
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

// LogValue logs the event's fields.
func (e Event) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("source", e.Source)}
	if e.Version != "" {
		attrs = append(attrs, slog.String("version", e.Version))
	}
	if e.Previous != "" {
		attrs = append(attrs, slog.String("previous", e.Previous))
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
