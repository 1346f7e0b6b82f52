package ring

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
)

// Each state in which a ring works worse than it should, with its reason in words and the
// events that report it; see play for the words.
//
// F129, F130
func TestDegradedRows(t *testing.T) {
	down := &source.Error{Source: "store", Err: source.ErrUnavailable}
	for _, row := range []struct {
		name   string
		change func(g *rosterRig)
		script string
	}{
		{"nothing", nil, "[v2=b,v1=a] +v2 1000h why= said=switched:v2"},
		{"nothing yet", nil, "why= said="},
		{"no key", nil, "[v1=a] -v1 why=no_key:requests_fail_until_there_is_a_key_that_can_be_used:_put_one_into_the_source said=switched:v1,revoked:v1,no_key:v1 1000h said="},
		{"every key is refused", nil, `[v1=a] !v1 why=all_refused:the_server_refuses_every_key,_and_requests_are_sent_all_the_same said=switched:v1,all_refused:v1 1000h said= +v1 why=`},
		{"every key is refused, with lockout", func(g *rosterRig) { g.policy.lockout = true },
			"[v1=a] !v1 why=all_refused:the_server_refuses_every_key,_and_only_one_request_after_each_pause_is_sent"},

		// A fall-back is ordinary, unless it lasts.
		{"fell back", nil, `[v2=b,v1=a] !v2 why=fell_back:requests_get_version_"v1",_since_the_server_refuses_version_"v2",_and_has_never_accepted_it 14m said=switched:v2,fell_back:v1`},
		{"fell back, and it lasts", nil, "[v2=b,v1=a] !v2 15m said=switched:v2,fell_back:v1,degraded:v1 59m said= 1m said=degraded:v1 1h why=degraded:requests_get said=degraded:v1"},
		{"fell back, and again", nil, "[v2=b,v1=a] !v2 14m +v2 why= !v2 14m said=switched:v2,fell_back:v1,fell_back:v1 1m said=degraded:v1"},
		{"fell back, where it was accepted before", nil, `[v2=b,v1=a] +v2 !v2 why=fell_back:requests_get_version_"v1",_since_the_server_refuses_version_"v2":`},

		// A key that is kept past its overlap.
		{"kept", nil, `(v1=a) +v1 (v2=b) !v2 15m said=switched:v1,switched:v2,fell_back:v1,degraded:v1 23h said=degraded:v1 45m why=degraded:requests_get;degraded:version_"v1"_is_kept_although_its_overlap_would_have_ended_at_2001-09-10T01:46:40Z,_since_the_server_refuses_version_"v2",_and_has_never_accepted_it said=degraded:v1 59m said= 1m said=degraded:v1 +v2 why=`},
		{"kept, after two wrong keys", nil, `(v1=a) +v1 (v2=b) !v2 12h (v3=c) !v3 12h why=fell_back:;degraded:version_"v1"_is_kept 48h why=fell_back:;degraded:version_"v1"_is_kept`},
		{"kept, and listed for long", nil, `(v2=b,v1=a) !v2 48h (v2=b)= why=degraded:requests_get 23h why=degraded:requests_get 1h why=degraded:requests_get;degraded:version_"v1"_is_kept_although_its_overlap_would_have_ended_at_2001-09-12T01:46:40Z`},
		{"kept, since the answers say nothing", nil, `(v1=a) +v1 (v2=b) sent:v2 24h why=degraded:version_"v1"_is_kept_although_its_overlap_would_have_ended_at_2001-09-10T01:46:40Z,_since_the_server_has_not_accepted_version_"v2"_since_it_became_current`},
		{"kept, after a rollback", nil, `(v1=a) +v1 (v2=b) +v2 (v1=a)= 24h why=degraded:version_"v2"_is_kept_although_its_overlap_would_have_ended_at_2001-09-10T01:46:40Z,_since_the_server_has_not_accepted_version_"v1"_since_it_became_current`},
		{"kept, but no request was sent", nil, `(v1=a) +v1 (v2=b) 24h why= said=switched:v1,switched:v2 sent:v2 why=degraded:version_"v1"_is_kept said=degraded:v1`},

		{"the newest cannot be used", nil, `[v2=b?,v1=a] why=degraded:version_"v2",_the_newest,_cannot_be_used,_and_version_"v1"_is_current_in_its_place`},
		{"the newest has expired", nil, `[v2=b-1h,v1=a] 1h why=degraded:version_"v2",_the_newest,_has_expired,_and_version_"v1"_is_current_in_its_place`},
		{"the newest is revoked", nil, "[v2=b,v1=a] -v2 why="},
		{"the newest is pending", nil, "[v2=b+1h,v1=a] why="},

		// Keys that end.
		{"expires", nil, `[v1=a-25h] 59m said=switched:v1 1m why=expiring:version_"v1"_expires_at_2001-09-10T02:46:40Z:_put_a_new_key_into_the_source_before said=expiring:v1 23h said=`},
		{"expires, said daily", func(g *rosterRig) { g.roster.expiring = 7 * 24 * time.Hour },
			"[v1=a-120h] said=switched:v1,expiring:v1 23h said= 1h said=expiring:v1 24h said=expiring:v1"},
		{"expires at another time", nil, "[v1=a-1h] 1m [v1=a-2h]= said=switched:v1,expiring:v1 [v1=a-2000h]= why= [v1=a-1h]= said=expiring:v1"},
		{"not with a successor", nil, "[v2=b+1h,v1=a-2h] why="},
		{"but with one that is late", nil, "[v2=b+3h,v1=a-2h] why=expiring:"},
		{"the key in use expires", nil, `[v2=b,v1=a-1h] why= !v2 why=fell_back:;expiring:version_"v1"_expires said=switched:v2,fell_back:v1,expiring:v1`},
		{"too old", func(g *rosterRig) { g.roster.maxAge = 90 * 24 * time.Hour },
			`[v1=a@-2088h] 47h why= 1h why=expiring:version_"v1"_reaches_its_greatest_age_at_2001-09-12T01:46:40Z 100h why=expiring:version_"v1"_reaches`},
		{"too old since it was seen", func(g *rosterRig) { g.roster.maxAge = 48 * time.Hour }, "[v1=a] 23h why= 1h why=expiring: [v2=b,v1=a] why="},
		{"its own date counts", func(g *rosterRig) { g.roster.maxAge = time.Hour }, "[v1=a-2000h] 1000h why="},
		{"a source that renews", func(g *rosterRig) { g.change = func(s *source.Set) { s.Renews = true } }, "[v1=a-1h] 59m30s why="},
		{"a source that renews, and is down", func(g *rosterRig) {
			g.change = func(s *source.Set) { s.Renews = true }
			g.health.lastErr = down
		}, `[v1=a-1h] 58m why= 1m why=expiring:version_"v1"_expires_at_2001-09-09T02:46:40Z,_and_the_source_cannot_renew_it:_source:_store:`},

		{"stale", func(g *rosterRig) { g.health = health{reads: 1, staleAfter: time.Hour, lastRead: g.now, lastErr: down} },
			"[v1=a] 1h why=stale:the_keys_may_be_out_of_date,_since_the_source_was_last_read_at_2001-09-09T01:46:40Z:_make_it_readable_again:_source:_store: said=switched:v1,stale 1000h said="},
		{"outdated", func(g *rosterRig) {
			g.health, g.outdated = health{reads: 1, staleAfter: time.Hour, lastRead: g.now}, ErrStale
		}, "[v1=a] why=stale:requests_fail_until_the_source_can_be_read_again"},
		{"not notified", func(g *rosterRig) { g.watch = errors.New("no watch") },
			"[v1=a] why=warning:no_notification,_polling_only:_no_watch said=switched:v1,warning 15m said=degraded 23h said= 1h why=degraded:no_notification said=degraded"},
		{"not saved", func(g *rosterRig) { g.ledger.unsaved = errors.New("disk full") },
			"[v1=a] why=warning:the_keys_were_not_cached:_disk_full said=switched:v1,warning 15m said=degraded"},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := newRosterRig()
			if row.change != nil {
				row.change(g)
			}
			g.play(t, row.script)
		})
	}
}

// An observer that comes late is told what holds, by the events that reported it.
//
// F130
func TestLedgerTellsWhatHolds(t *testing.T) {
	g := newRosterRig()
	g.play(t, "[v2=b,v1=a-2h] !v2")
	start := g.now
	g.play(t, "20m")
	var told []string
	for _, e := range g.ledger.hold() {
		told = append(told, fmt.Sprintf("%s %s at %v until %v", e.Kind, e.Version, e.Time.Sub(start), e.Until.Sub(start)))
	}
	const never = "-2562047h47m16.854775808s"
	want := []string{"fell_back v1 at 0s until " + never, "degraded v1 at 20m0s until " + never, "expiring v1 at 0s until 2h0m0s"}
	if got := strings.Join(told, ", "); got != strings.Join(want, ", ") {
		t.Errorf("%s", got)
	}
}

// What time alone makes degraded is looked at when it comes.
//
// F129, F130
func TestDegradedComesAtItsTime(t *testing.T) {
	for script, want := range map[string]time.Duration{
		"[v1=a-25h]":             time.Hour,
		"[v1=a]":                 0,
		"(v1=a) +v1 (v2=b)":      24 * time.Hour,
		"(v1=a) +v1 (v2=b) !v2":  15 * time.Minute,
		"[v1=a-25h] 1h":          24 * time.Hour,
		"(v1=a) (v2=b) !v2 24h":  time.Hour,
		"[v2=b,v1=a] !v2 15m 1m": 59 * time.Minute,
	} {
		g := newRosterRig()
		g.play(t, script)
		if got := g.tell(); want == 0 && !got.IsZero() || want != 0 && got.Sub(g.now) != want {
			t.Errorf("%s: next in %v, want %v", script, got.Sub(g.now), want)
		}
	}
}
