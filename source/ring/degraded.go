package ring

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// A Degradation is a state in which a ring works worse than it should, or not at all. See
// [Status].
type Degradation struct {
	// Kind is the kind of the event that reported it last.
	Kind EventKind `json:"kind"`
	// Since is when the ring noticed it; zero if the ring is closed.
	Since time.Time `json:"since,omitzero"`
	// Version, Previous and Until are as in an [Event] of that kind.
	Version  string    `json:"version,omitempty"`
	Previous string    `json:"previous,omitempty"`
	Until    time.Time `json:"until,omitzero"`
	// Reason says in words what is wrong, and what to do.
	Reason string `json:"reason"`
}

const (
	lasting   = 15 * time.Minute // how long a state that may pass soon lasts before it is Degraded
	sayHourly = time.Hour
	sayDaily  = 24 * time.Hour
)

// facts are what [degraded] decides by.
type facts struct {
	now    time.Time
	snap   *snapshot
	roster *roster
	health *health
	ledger *ledger
	watch  error // why the source does not notify the ring, or nil
}

// degradation is one row of [degraded].
type degradation struct {
	cause
	version, previous string
	until             time.Time
	why               error
	every             time.Duration // between two events; 0 means that it is said once
	quiet             bool          // no event: it may be over in a moment
	lasts             bool          // it may pass soon: if it lasts, Degraded events say so
}

// cause says which state a degradation is: two with the same cause are the same.
type cause struct {
	kind EventKind
	of   string    // tells rows of one kind apart
	v    *counters // the version's; a pointer to the version would keep its key (F102)
}

// degraded returns every state in which the ring works worse than it should, the worst
// first. next is when time alone may add one; zero means never.
func degraded(f *facts) (list []degradation, next time.Time) {
	add := func(d degradation) { list = append(list, d) }
	o, h, l, use, current := f.roster, f.health, f.ledger, f.snap.use, f.snap.current
	outdated := errors.Is(f.snap.err, ErrStale)

	if f.snap.err != nil && !outdated && l.last != "" {
		add(degradation{cause: cause{kind: NoKey}, version: l.last,
			why: fmt.Errorf("requests fail until there is a key that can be used: put one into the source: %w", f.snap.err)})
	}
	switch {
	case f.snap.refused && !l.alarmed:
		add(degradation{cause: cause{kind: AllRefused, of: "asking"}, version: current.label(), quiet: true,
			why: errors.New("the server refuses every key, and the source is being asked for another")})
	case l.alarmed:
		how := "requests are sent all the same"
		if f.snap.locked {
			how = "only one request after each pause is sent"
		}
		add(degradation{cause: cause{kind: AllRefused}, version: current.label(),
			why: fmt.Errorf("the server refuses every key, and %s: put a key that it accepts into the source", how)})
	}
	kept, ended, soon := o.overdue(f.now)
	next = soon
	if !l.alarmed && use != current {
		d := degradation{cause: cause{FellBack, "", use.counters}, version: use.label(), previous: current.label(),
			why: fmt.Errorf("requests get version %q, since the server %s: make the server accept it, or put the right key into the source",
				use.label(), refuses(current))}
		if kept == nil { // else the next row says that it lasts
			d.lasts, d.every = true, sayHourly
		}
		add(d)
	}
	if kept != nil && current != nil && current.counters.sent() > 0 { // otherwise nothing is known to be wrong, as on an idle standby
		add(degradation{cause: cause{Degraded, "overlap", kept.counters}, version: kept.label(), previous: current.label(), every: sayHourly,
			why: fmt.Errorf("version %q is kept although its overlap would have ended at %s, since the server %s", kept.label(), stamp(ended), refuses(current))})
	}
	if newest := o.newest(); newest != nil && newest != current && current != nil && !newest.revoked {
		d := degradation{cause: cause{Degraded, "newest", newest.counters}, version: newest.label(), previous: current.label(), every: sayDaily}
		switch {
		case newest.unusable != nil:
			d.why = fmt.Errorf("version %q, the newest, cannot be used, and version %q is current in its place: %w", newest.label(), current.label(), newest.unusable)
		case newest.expired(f.now):
			d.why = fmt.Errorf("version %q, the newest, has expired, and version %q is current in its place: put a new key into the source", newest.label(), current.label())
		}
		if d.why != nil {
			add(d)
		}
	}
	if outdated || h.stale {
		d := degradation{cause: cause{Stale, fmt.Sprint(outdated), nil}, why: fmt.Errorf("the keys may be out of date, since the source was last read at %s: make it readable again", stamp(h.lastRead))}
		if outdated {
			d.why = fmt.Errorf("requests fail until the source can be read again: make it readable: %w", f.snap.err)
		}
		if h.lastErr != nil {
			d.why = fmt.Errorf("%w: %w", d.why, h.lastErr)
		}
		add(d)
	}
	for _, v := range slices.Compact([]*version{current, use}) {
		if v == nil || f.snap.err != nil {
			continue
		}
		d, from := o.expires(v, h.lastErr, f.now)
		if next = earlier(next, from, f.now); d.why != nil {
			add(d)
		}
	}
	if f.watch != nil {
		add(degradation{cause: cause{Warning, "watch", nil}, every: sayDaily, lasts: true, why: fmt.Errorf("no notification, polling only: %w", f.watch)})
	}
	if l.unsaved != nil {
		add(degradation{cause: cause{Warning, "cache", nil}, every: sayDaily, lasts: true, why: fmt.Errorf("the keys were not cached: %w", l.unsaved)})
	}
	return list, next
}

// refuses says what the server makes of the current version, which is not accepted.
func refuses(v *version) string {
	switch {
	case v.state != StateRefused:
		return fmt.Sprintf("has not accepted version %q since it became current", v.label())
	case v.neverAccepted():
		return fmt.Sprintf("refuses version %q, and has never accepted it", v.label())
	}
	return fmt.Sprintf("refuses version %q", v.label())
}

// expires returns an Expiring degradation if v, which requests get or would get, ends soon
// and has no successor; else one without a why, and when that will be.
func (o *roster) expires(v *version, failed error, now time.Time) (d degradation, from time.Time) {
	end := o.end(v)
	if end.IsZero() || o.succeeded(end) {
		return d, from
	}
	ahead, dated := o.expiring, !v.key.Load().ExpiresAt.IsZero()
	if o.renews && dated {
		ahead = askAhead
	}
	if from = end.Add(-ahead); now.Before(from) || o.renews && dated && failed == nil {
		return d, from
	}
	d = degradation{cause: cause{Expiring, "", v.counters}, version: v.label(), until: end.Round(0).UTC(), every: sayDaily}
	switch {
	case o.renews && dated:
		d.why = fmt.Errorf("version %q expires at %s, and the source cannot renew it: %w", v.label(), stamp(end), failed)
	case dated:
		d.why = fmt.Errorf("version %q expires at %s: put a new key into the source before", v.label(), stamp(end))
	default:
		d.why = fmt.Errorf("version %q reaches its greatest age at %s: put a new key into the source", v.label(), stamp(end))
	}
	return d, from
}

// newest returns the first version that is not pending, nil if there is none.
func (o *roster) newest() *version {
	if i := slices.IndexFunc(o.list, func(v *version) bool { return v.role != RolePending }); i >= 0 {
		return o.list[i]
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
