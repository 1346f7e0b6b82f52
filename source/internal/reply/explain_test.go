package reply_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/reply"
)

// F75, F95: the code decides, and the error quotes nothing of the store.
func TestExplain(t *testing.T) {
	kinds := map[reply.Status]error{403: source.ErrDenied, 404: fmt.Errorf("%w: nothing there", source.ErrNoKey)}
	outside := errors.New("rksentinel_")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		ctx  context.Context
		err  error
		code reply.Status
		kind error
		text string
	}{
		{t.Context(), outside, 403, source.ErrDenied, "source denies access: status 403"},
		{t.Context(), outside, 404, source.ErrNoKey, "no key: nothing there: status 404"},
		{t.Context(), outside, 500, source.ErrUnavailable, "source unavailable: status 500"},
		{t.Context(), outside, 0, source.ErrUnavailable, "source unavailable: no usable response"},
		{ended, outside, 403, context.Canceled, "source unavailable: no complete response in time: context canceled"},
		{ended, fmt.Errorf("%w: ours", source.ErrInvalid), 403, source.ErrInvalid, "invalid: ours"},
		{t.Context(), fmt.Errorf("rksentinel_: %w", &source.Error{Source: "environment", Err: source.ErrDenied}), 500, source.ErrDenied, "source denies access"},
	} {
		got := reply.Explain(tc.ctx, tc.err, tc.code, kinds)
		if !errors.Is(got, tc.kind) || got.Error() != tc.text || strings.Contains(got.Error(), "rksentinel_") {
			t.Errorf("%v, %v: %v, want %s", tc.err, tc.code, got, tc.text)
		}
	}
}
