package sigv4_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/internal/drill"
	"github.com/rollingkeys/rollingkeys/transport/sigv4"
)

// The clients of the SDK are in internal/sdktest; here is what needs none.

// F119: the SDK's cache asks for the key at each call, with any options.
func TestCredentialsAreNotCached(t *testing.T) {
	first := key(1)
	first.Extra = map[string]source.Secret{"session_token": source.NewSecret(drill.Sentinel + "session")}
	store := drill.NewStore(first)
	keys := store.Keep(t)
	caches := map[string]*aws.CredentialsCache{
		"default": aws.NewCredentialsCache(sigv4.Credentials(keys)),
		"window": aws.NewCredentialsCache(sigv4.Credentials(keys), func(o *aws.CredentialsCacheOptions) {
			o.ExpiryWindow, o.ExpiryWindowJitterFrac = time.Hour, 0.5
		}),
		"twice": aws.NewCredentialsCache(aws.NewCredentialsCache(sigv4.Credentials(keys))),
	}
	for _, want := range []source.Key{first, key(2), key(3)} {
		store.Put(want)
		if err := keys.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, cache := range caches {
			got, err := cache.Retrieve(t.Context())
			if err != nil || got.AccessKeyID != want.ID || !want.Secret.Equal(source.NewSecret(got.SecretAccessKey)) ||
				!want.Extra["session_token"].Equal(source.NewSecret(got.SessionToken)) {
				t.Errorf("%s: %s, %v, want %s", name, got.AccessKeyID, err, want.ID)
			}
		}
	}
}

func TestCredentialsOfNoUse(t *testing.T) {
	unfit := drill.NewStore(source.Key{ID: "two words", Secret: source.NewSecret(drill.Sentinel)}).Keep(t)
	closed := drill.NewStore(key(1)).Keep(t)
	closed.Close()
	for name, tc := range map[string]struct {
		ring *ring.Ring
		want error
	}{"no ring": {nil, source.ErrNoKey}, "unfit": {unfit, source.ErrUnusable}, "closed": {closed, ring.ErrClosed}} {
		got, err := sigv4.Credentials(tc.ring).Retrieve(t.Context())
		if !errors.Is(err, tc.want) || got.HasKeys() || strings.Contains(err.Error(), drill.Sentinel) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Copies of a configuration share its slice of options. A ring for one copy is not used
// by another.
func TestConfigureLeavesCopiesAlone(t *testing.T) {
	base := aws.Config{APIOptions: make([]func(*middleware.Stack) error, 0, 8)}
	one, two := base.Copy(), base.Copy()
	sigv4.Configure(&one, drill.NewStore(key(1)).Keep(t))
	sigv4.Configure(&two, drill.NewStore(key(2)).Keep(t))
	for cfg, want := range map[*aws.Config]string{&one: key(1).ID, &two: key(2).ID} {
		got, err := cfg.Credentials.Retrieve(t.Context())
		if err != nil || got.AccessKeyID != want || len(cfg.APIOptions) != 1 {
			t.Errorf("%s, %v, %d options, want %s", got.AccessKeyID, err, len(cfg.APIOptions), want)
		}
	}
	if len(base.APIOptions) != 0 || base.APIOptions[:1][0] != nil {
		t.Error("the configuration copied from was changed")
	}
}

// If a client lacks the SDK's steps, the call fails with an error that says so. A
// client that signs nothing is not changed.
func TestMiddlewareKnowsItsStack(t *testing.T) {
	option := sigv4.Middleware(drill.NewStore(key(1)).Keep(t))
	stack := middleware.NewStack("x", smithyhttp.NewStackRequest)
	if err := option(stack); err != nil || len(stack.Finalize.List()) != 0 {
		t.Errorf("without signing: %v, %v", err, stack.Finalize.List())
	}
	step := middleware.FinalizeMiddlewareFunc("Signing", nil)
	if err := stack.Finalize.Add(step, middleware.After); err != nil {
		t.Fatal(err)
	}
	if err := option(stack); err == nil || !strings.HasPrefix(err.Error(), "sigv4: ") {
		t.Errorf("a client that is too old: %v", err)
	}
}

// F116: a middleware that is garbage collected releases its slot in the ring.
func TestMiddlewareGivesItsSlotBack(t *testing.T) {
	keys := drill.NewStore(key(1)).Keep(t)
	next := func() int { // the slot that the next caller would get
		slot, release, err := keys.Prepare(func(source.Key) (any, error) { return nil, nil })
		if err != nil {
			t.Fatal(err)
		}
		release()
		return slot
	}
	held := sigv4.Middleware(keys)
	first := next()
	for range 100 {
		sigv4.Middleware(keys)
	}
	for end := time.Now().Add(20 * time.Second); next() != first; runtime.GC() {
		if time.Now().After(end) {
			t.Fatalf("the next slot is %d, and was %d", next(), first)
		}
	}
	runtime.KeepAlive(held)
}
