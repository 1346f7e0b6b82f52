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
// client of the AWS SDK for Go v2. It replaces the SDK's signature of each request by
// one with a key of the ring. If AWS refuses the key, it sends the request again with
// another one; see the package comment. The SDK signs nothing without credentials, so
// give it [Credentials], as [Configure] does.
//
// Call Middleware once for a ring, and share the result. Middleware does not fail; the
// errors of calls wrap those of packages source and ring.
func Middleware(keys *ring.Ring) func(*middleware.Stack) error {
	s := &resigner{ring: keys}
	var release func()
	// The ring reports a key that cannot be used.
	s.slot, release, _ = keys.Prepare(func(key source.Key) (any, error) { return prepare(key) })
	runtime.AddCleanup(s, func(release func()) { release() }, release) // F116
	return s.add
}

// A resigner adds two steps to a client's stack.
type resigner struct {
	ring *ring.Ring
	slot int
}

const (
	attemptsID = "RollingKeysAttempts"
	signingID  = "RollingKeysSigning"
)

// add inserts the step attempts between the SDK's retries and the steps that prepare an
// attempt, so that each attempt has its own checksums, time and signature. It inserts
// the step sign after the SDK's signing.
func (s *resigner) add(stack *middleware.Stack) error {
	const signing, first = "Signing", "ResolveAuthScheme"
	if _, ok := stack.Finalize.Get(signing); !ok {
		return nil // the call presigns a URL, or signs nothing
	}
	attempts := middleware.FinalizeMiddlewareFunc(attemptsID, s.attempts)
	sign := middleware.FinalizeMiddlewareFunc(signingID, s.sign)
	if _, ok := stack.Finalize.Get(attemptsID); ok { // of several resigners the last counts
		if _, err := stack.Finalize.Swap(attemptsID, attempts); err != nil {
			return err
		}
		_, err := stack.Finalize.Swap(signingID, sign)
		return err
	}
	if err := stack.Finalize.Insert(attempts, first, middleware.Before); err != nil {
		return fmt.Errorf("sigv4: this client has no step %q: update its module of the AWS SDK: %w", first, err)
	}
	return stack.Finalize.Insert(sign, signing, middleware.After)
}

// An exchange is one of the SDK's attempts of a request, which may become several
// attempts with different keys.
type exchange struct {
	a          ring.Attempt
	begun      bool // a is an attempt: the SDK has signed the request
	repeatable bool
	refused    bool // the key of the attempt before was refused, and not ambiguously
}

type exchangeKey struct{}

// attempts sends the request, and sends it again with another key if the key is
// refused.
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
		in.Request = req.Clone() // the steps below add headers for this attempt only
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

// signed returns the scope of the SDK's signature if the signature can be replaced. It
// cannot if the SDK left the request unsigned, used another signature (bearer tokens,
// Signature Version 4A, S3 Express) or continues to sign (event streams). The time is
// the SDK's, which has learned the server's clock.
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

// answer returns the answer to an attempt for a classifier, or nil if there was none.
// The SDK has already read the body, in the service's protocol; its error holds the
// code and message. For a HEAD, whose answer has no body, the SDK invents the code.
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

// again reports the answer a to the ring, and returns whether the request is sent with
// another key. a is nil if there was no answer.
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
	case transport.Inconclusive, transport.ClockSkew: // the SDK corrects its clock and retries
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

// passed reports to the ring that the answer is not a refusal. A success proves that
// the key was accepted. After a definite refusal of another key, an error that only the
// service itself returns proves it too.
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
