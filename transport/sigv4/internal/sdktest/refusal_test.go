package sdktest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/internal/drill"
	"github.com/rollingkeys/rollingkeys/transport/sigv4"
)

// F119, F58: a refused call is sent once more, with the other key. The SDK's retries do
// not multiply that, even if both keys are refused.
func TestACallIsSentOnceWithEachKey(t *testing.T) {
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, key(2), key(1))
			sigv4.Configure(&b.cfg, b.ring)
			a := clients(b.cfg)
			b.set(func() { delete(b.keys, key(2).ID) })
			if err := call(t.Context(), b, a, "first"); err != nil {
				t.Error(err)
			}
			if b.seen[key(2).ID] != 1 || b.seen[key(1).ID] != 1 {
				t.Errorf("%d and %d requests, want 1 with each key", b.seen[key(2).ID], b.seen[key(1).ID])
			}

			b = bench{wait: time.Millisecond}.start(t, key(2), key(1))
			sigv4.Configure(&b.cfg, b.ring)
			a = clients(b.cfg)
			b.set(func() { clear(b.keys) })
			wantRefused(t, call(t.Context(), b, a, "second"))
			if b.seen[key(2).ID] != 1 || b.seen[key(1).ID] != 1 {
				t.Errorf("all refused: %d and %d requests, want 1 with each key", b.seen[key(2).ID], b.seen[key(1).ID])
			}
		})
	}
}

// F58: if bad keys lock out and all keys are bad, a call fails without being sent, and
// is not retried.
func TestLockout(t *testing.T) {
	b := newBench(t, key(1))
	b.cfg.Retryer = func() aws.Retryer { return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = 10 }) }
	sigv4.Configure(&b.cfg, b.store.Keep(t, ring.WithLockout(), ring.WithRefusalWait(10*time.Millisecond)))
	a := clients(b.cfg)
	b.set(func() { clear(b.keys) })
	const n = 20
	var unsent int
	for range n {
		if _, err := a.sts.GetCallerIdentity(t.Context(), nil); errors.Is(err, ring.ErrRefused) {
			unsent++
		} else {
			wantRefused(t, err)
		}
	}
	if sent := b.requests(); sent != n-unsent || sent > 2 {
		t.Errorf("%d of %d calls unsent, %d requests", unsent, n, sent)
	}
}

// F113: the SDK's own credentials, of any kind, are replaced and never sent.
func TestReplacesCredentialsOfAnyKind(t *testing.T) {
	b := newBench(t, key(1))
	b.cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIDOWN", SecretAccessKey: drill.Sentinel + "own", SessionToken: drill.Sentinel + "session"}, nil
	})
	b.cfg.APIOptions = append(b.cfg.APIOptions, sigv4.Middleware(b.ring))
	for name, call := range calls {
		if err := call(t.Context(), b, clients(b.cfg), "x"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b.seen[key(1).ID] != len(calls) || len(b.seen) != 1 {
		t.Errorf("the server saw the keys %v", b.seen)
	}
}

// The last ring counts.
func TestConfiguredTwice(t *testing.T) {
	b := newBench(t, key(2))
	other, err := ring.Keep(t.Context(), source.Static(key(1)), ring.WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	sigv4.Configure(&b.cfg, other)
	sigv4.Configure(&b.cfg, b.ring)
	for name, call := range calls {
		if err := call(t.Context(), b, clients(b.cfg), "x"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.told(t)
}

// A call that the SDK does not sign stays unsigned, and does not count as a use of a
// key.
func TestUnsignedCalls(t *testing.T) {
	b := newBench(t, key(1))
	sigv4.Configure(&b.cfg, b.ring)
	_, err := clients(b.cfg).sts.AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: aws.String("arn:aws:iam::123456789012:role/r"), RoleSessionName: aws.String("session"), WebIdentityToken: aws.String(drill.Sentinel + "web"),
	})
	if err != nil || b.seen[""] != 1 {
		t.Errorf("%v, %d unsigned requests", err, b.seen[""])
	}
	if v := b.ring.Status().Current; v.Requests > 0 {
		t.Errorf("the ring counts %d requests", v.Requests)
	}
}

// Clock skew never counts against the key. The SDK corrects its clock.
func TestTheSDKCorrectsItsClock(t *testing.T) {
	b := newBench(t, key(1))
	b.ahead = 40 * time.Minute
	sigv4.Configure(&b.cfg, b.ring)
	a := clients(b.cfg)
	for range 3 {
		if _, err := a.sts.GetCallerIdentity(t.Context(), nil); err != nil {
			t.Error(err)
		}
	}
	if v := b.ring.Status().Current; v.Refused > 0 || v.Accepted != 3 || b.refused != 1 {
		t.Errorf("the key has %d refusals, %d acceptances; the server refused %d", v.Refused, v.Accepted, b.refused)
	}
}

// F34: a stream that cannot be rewound is sent once. The next call has the other key.
func TestAStreamIsSentOnce(t *testing.T) {
	b := newBench(t, key(2), key(1))
	sigv4.Configure(&b.cfg, b.ring)
	a := clients(b.cfg)
	b.set(func() { delete(b.keys, key(2).ID) })
	put := func(n string) error {
		content := text(n)
		_, err := a.s3.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: aws.String("bucket"), Key: &n, ContentLength: aws.Int64(int64(len(content))),
			Body: io.MultiReader(strings.NewReader(string(content))),
		})
		if err != nil {
			return err
		}
		return b.stored(n, content)
	}
	wantRefused(t, put("first"))
	if n := b.requests(); n != 1 {
		t.Errorf("%d requests", n)
	}
	for n := range 3 {
		if err := put(fmt.Sprint("then-", n)); err != nil {
			t.Error(err)
		}
	}
}

// S3 answers a HEAD with only a status, so a refusal looks like a missing permission.
// One attempt is made with another key. The refusal counts against the first key only
// if that is accepted.
func TestHeadWithoutAReason(t *testing.T) {
	b := newBench(t, key(2), key(1))
	sigv4.Configure(&b.cfg, b.ring)
	a := clients(b.cfg)
	head := func() error {
		_, err := a.s3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("bucket"), Key: aws.String("o")})
		return err
	}
	b.set(func() {
		b.objects["/bucket/o"] = [32]byte{}
		delete(b.keys, key(2).ID)
	})
	for range 3 {
		if err := head(); err != nil {
			t.Error(err)
		}
	}
	if v := b.ring.Status(); v.InUse != "v1" || b.refused != 1 {
		t.Errorf("%s in use after %d refusals", v.InUse, b.refused)
	}
	b.set(func() { clear(b.keys) })
	wantRefused(t, head())
}
