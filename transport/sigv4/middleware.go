package sigv4

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"strings"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// Middleware returns an option for aws.Config.APIOptions, and for the APIOptions of any
// client of the AWS SDK for Go v2. It signs each request with a key of the ring, in
// place of the signature that the SDK made, and sends it again with another key where
// AWS refuses the one it carried; see the package comment. The SDK needs credentials
// all the same, or it signs nothing: give it [Credentials], as [Configure] does.
//
// Call it once for a ring, and share what it returns. It never fails; errors of calls
// wrap those of package source.
func Middleware(keys *ring.Ring) func(*middleware.Stack) error {
	s := &resigner{ring: keys}
	var release func()
	// A key that cannot be used is the ring's to report.
	s.slot, release, _ = keys.Prepare(func(key source.Key) (any, error) { return prepare(key) })
	runtime.AddCleanup(s, func(release func()) { release() }, release) // F116
	return s.add
}

// resigner is two steps of a client's stack.
type resigner struct {
	ring *ring.Ring
	slot int
}

const (
	attemptsID = "RollingKeysAttempts"
	signingID  = "RollingKeysSigning"
)

// add puts the one step between the SDK's retries and all that prepares an attempt, so
// that each attempt of ours has checksums, time and signature of its own; and the
// other behind the SDK's signing.
func (s *resigner) add(stack *middleware.Stack) error {
	const signing, first = "Signing", "ResolveAuthScheme"
	if _, ok := stack.Finalize.Get(signing); !ok {
		return nil // it presigns a URL, or signs nothing
	}
	attempts := middleware.FinalizeMiddlewareFunc(attemptsID, s.attempts)
	sign := middleware.FinalizeMiddlewareFunc(signingID, s.sign)
	if _, ok := stack.Finalize.Get(attemptsID); ok { // the last counts
		if _, err := stack.Finalize.Swap(attemptsID, attempts); err != nil {
			return err
		}
		_, err := stack.Finalize.Swap(signingID, sign)
		return err
	}
	if err := stack.Finalize.Insert(attempts, first, middleware.Before); err != nil {
		return fmt.Errorf("sigv4: this client is older than the SDK's %q step: %w", first, err)
	}
	return stack.Finalize.Insert(sign, signing, middleware.After)
}

// exchange is one request on its way: one of the SDK's own attempts.
type exchange struct {
	a          ring.Attempt
	begun      bool // a is an attempt; before, and where the SDK does not sign, there is none
	repeatable bool
	refused    bool // the attempt before was, and not ambiguously
}

type exchangeKey struct{}

// attempts sends the request, and again with another key if it is refused.
func (s *resigner) attempts(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	out middleware.FinalizeOutput, metadata middleware.Metadata, err error,
) {
	req, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return next.HandleFinalize(ctx, in)
	}
	x := &exchange{repeatable: req.GetStream() == nil || req.IsStreamSeekable()}
	defer func() {
		if x.begun {
			x.a.End()
		}
	}()
	ctx = middleware.WithStackValue(ctx, exchangeKey{}, x)
	for {
		in.Request = req.Clone() // what is added for this attempt is not for the next
		out, metadata, err = next.HandleFinalize(ctx, in)
		if !x.begun || !x.again(ctx, req, answer(req, metadata, err)) {
			return out, metadata, err
		}
	}
}

// sign replaces the SDK's signature by one with the attempt's key.
func (s *resigner) sign(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	out middleware.FinalizeOutput, metadata middleware.Metadata, err error,
) {
	x, _ := middleware.GetStackValue(ctx, exchangeKey{}).(*exchange)
	req, ok := in.Request.(*smithyhttp.Request)
	if x == nil || !ok {
		return next.HandleFinalize(ctx, in)
	}
	at, ok := signed(req.Header, v4.GetPayloadHash(ctx))
	if !ok {
		return next.HandleFinalize(ctx, in)
	}
	if !x.begun {
		if x.a, err = s.ring.Attempt(ctx, x.repeatable); err != nil {
			return out, metadata, fmt.Errorf("sigv4: %w", err)
		}
		x.begun = true
	}
	sign, ok := x.a.Prepared(s.slot).(signFunc)
	if !ok {
		return out, metadata, fmt.Errorf("sigv4: signing with version %q: %w", x.a.Version(), source.ErrUnusable)
	}
	for _, name := range []string{"Authorization", "X-Amz-Date", sessionToken} {
		req.Header.Del(name)
	}
	if err := sign(req.Request, at); err != nil {
		return out, metadata, fmt.Errorf("sigv4: signing with version %q: %w", x.a.Version(), err)
	}
	return next.HandleFinalize(ctx, in)
}

// signed returns what the SDK's signature is about, if it can be replaced. What the SDK
// leaves unsigned, signs otherwise (bearer tokens, Signature Version 4A, S3 Express) or
// goes on signing (event streams), stays as it is. The time is the SDK's, which knows
// the server's clock by now.
func signed(h http.Header, hash string) (scope, bool) {
	rest, ok := strings.CutPrefix(h.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=")
	if !ok || hash == "" || strings.HasSuffix(hash, "-EVENTS") || h.Get("X-Amz-S3session-Token") != "" {
		return scope{}, false
	}
	credential, _, _ := strings.Cut(rest, ",")
	parts := strings.Split(credential, "/") // the key's ID, date, region, service, "aws4_request"
	at, err := time.Parse("20060102T150405Z", h.Get("X-Amz-Date"))
	if len(parts) < 5 || err != nil {
		return scope{}, false
	}
	n := len(parts)
	return scope{service: parts[n-2], region: parts[n-3], hash: hash, at: at}, true
}

// answer returns the answer to an attempt as a classifier reads it, nil if none came. The
// SDK has read the body by now, in whatever protocol; its error tells what was in it. The
// answer to a HEAD has no body, and the SDK makes up the name of its error.
func answer(req *smithyhttp.Request, metadata middleware.Metadata, err error) *transport.Answer {
	resp, ok := awsmiddleware.GetRawResponse(metadata).(*smithyhttp.Response)
	if !ok || resp.Response == nil || resp.StatusCode == 0 {
		return nil
	}
	named, ok := errors.AsType[smithy.APIError](err)
	if !ok || req.Method == http.MethodHead {
		return transport.NewAnswer(resp.StatusCode, resp.Header, nil)
	}
	h := make(http.Header)
	maps.Copy(h, resp.Header)
	h.Set("X-Amzn-Errortype", named.ErrorCode())
	return transport.NewAnswer(resp.StatusCode, h, []byte(named.ErrorMessage()))
}

// again tells the ring what a says of the key, nil being no answer, and reports whether
// the request is to be sent with another.
func (x *exchange) again(ctx context.Context, req *smithyhttp.Request, a *transport.Answer) bool {
	if a == nil {
		x.a.Unknown()
		return false
	}
	v := Classifier(a)
	switch v {
	case transport.Passed:
		x.passed(a.Status)
		return false
	case transport.Inconclusive, transport.ClockSkew: // the SDK corrects its clock, and tries again
		x.a.Unknown()
		return false
	}
	ambiguous := v == transport.Ambiguous
	may := transport.Replayable(req.Request, &http.Response{StatusCode: a.Status, Header: a.Header}, v)
	if !may || ctx.Err() != nil || req.RewindStream() != nil {
		if ambiguous || ctx.Err() != nil {
			x.a.Unknown()
		} else {
			x.a.Refused()
		}
		return false
	}
	x.refused = !ambiguous
	return x.a.Next(ctx, ambiguous)
}

// passed tells the ring that the answer is no refusal. A success says that the key was
// taken; where another was refused a moment ago, so does an error that only the service
// itself gives.
func (x *exchange) passed(status int) {
	switch {
	case status < http.StatusMultipleChoices, status == http.StatusNotModified:
		x.a.Accepted()
	case x.refused && (status == http.StatusBadRequest || status == http.StatusNotFound || status == http.StatusConflict || status == http.StatusPreconditionFailed):
		x.a.Accepted()
	default:
		x.a.Unknown()
	}
}
