package sigv4_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/sigv4"
)

// An answer that shows the time that was signed teaches nothing: the request would be
// refused again. F165
func TestResyncOnlyIfTheTimeMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		resync := sigv4.Scheme("execute-api", "eu-central-1").Traits().Resync
		answer := func(ahead time.Duration) *transport.Answer {
			return transport.NewAnswer(403, http.Header{"Date": {time.Now().Add(ahead).UTC().Format(http.TimeFormat)}}, nil)
		}
		for _, c := range []struct {
			ahead time.Duration
			want  bool
		}{{0, false}, {10 * time.Minute, true}, {10 * time.Minute, true}} { // the last: signed before the correction
			if got := resync(answer(c.ahead)); got != c.want {
				t.Errorf("%v ahead: %v", c.ahead, got)
			}
		}
		time.Sleep(time.Minute)
		if resync(answer(10 * time.Minute)) {
			t.Error("the time did not move")
		}
	})
}
