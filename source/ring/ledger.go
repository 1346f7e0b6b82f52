package ring

import (
	"slices"
	"time"
)

// A ledger remembers which degradations hold, and what was said of each.
// The fields after entries are for [degraded].
type ledger struct {
	entries []entry
	last    string // the name of the last current version; empty if there was none yet
	alarmed bool   // every version is held, and the source was asked in vain
	lost    error  // why Notify ended last, or nil
	unsaved error  // why the cache could not be saved last, or nil
}

type entry struct {
	degradation
	since, said time.Time
	lasted      bool // reported as Degraded
}

// update takes over what holds now, and returns the events for what is new, for what has
// lasted, and for what is due to be said again.
func (l *ledger) update(list []degradation, now time.Time) (events []Event) {
	entries := make([]entry, 0, len(list))
	for _, d := range list {
		e := entry{degradation: d, since: now}
		if i := slices.IndexFunc(l.entries, func(o entry) bool { return o.cause == d.cause }); i >= 0 {
			e = l.entries[i]
			e.degradation = d
		}
		due, first := e.due(), e.said.IsZero()
		if !e.quiet && (first || !due.IsZero() && elapsed(e.said, now) >= due.Sub(e.said)) {
			e.lasted = e.lasted || e.lasts && !first
			e.said = now
			events = append(events, e.event(e.reported()))
		}
		entries = append(entries, e)
	}
	l.entries = entries
	return events
}

// due returns when e is to be said again; zero means never.
func (e *entry) due() time.Time {
	switch {
	case e.lasts && !e.lasted:
		return e.since.Add(lasting)
	case e.every > 0 && e.lasts == e.lasted:
		return e.said.Add(e.every)
	}
	return time.Time{}
}

// next returns when the next event is due; zero means never.
func (l *ledger) next(now time.Time) (at time.Time) {
	for i := range l.entries {
		at = earlier(at, l.entries[i].due(), now)
	}
	return at
}

// hold returns the events that say what holds now, for an observer that has not received
// them: those that reported it first, and those that reported that it lasts.
func (l *ledger) hold() (events []Event) {
	for i := range l.entries {
		e := &l.entries[i]
		if e.quiet {
			continue
		}
		first := e.event(e.kind)
		first.Time = e.since
		events = append(events, first)
		if e.lasted {
			last := e.event(Degraded)
			last.Time = e.said
			events = append(events, last)
		}
	}
	return events
}

// status returns what holds now, for Status.
func (l *ledger) status() []Degradation {
	list := make([]Degradation, 0, len(l.entries))
	for _, e := range l.entries {
		list = append(list, Degradation{e.reported(), e.since, e.version, e.previous, e.until, e.why.Error()})
	}
	return list
}

// reported returns the kind of event that reports e.
func (e *entry) reported() EventKind {
	if e.lasted {
		return Degraded
	}
	return e.kind
}

func (e *entry) event(kind EventKind) Event {
	return Event{Kind: kind, Version: e.version, Previous: e.previous, Until: e.until, Err: e.why}
}
