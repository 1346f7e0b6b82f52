package sdktest_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport/sigv4"
)

// F119: LoadDefaultConfig puts a cache around the credentials. Calls still use the key
// that the ring uses, from the moment of a switch on.
func TestTheSDKsCacheDoesNotFreezeTheKey(t *testing.T) {
	for name, options := range map[string][]func(*config.LoadOptions) error{
		"default": nil,
		"expiry window": {config.WithCredentialsCacheOptions(func(o *aws.CredentialsCacheOptions) {
			o.ExpiryWindow, o.ExpiryWindowJitterFrac = 5*time.Minute, 1
		})},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, key(1))
			cfg := b.configure(t, append(options, config.WithCredentialsProvider(sigv4.Credentials(b.ring)))...)
			if _, cached := cfg.Credentials.(*aws.CredentialsCache); !cached {
				t.Fatalf("LoadDefaultConfig made %T, not the cache that this is about", cfg.Credentials)
			}
			a := clients(cfg)
			for n := 1; n <= 10; n++ {
				b.set(func() { b.keys = map[string]string{key(n).ID: key(n).Secret.Expose()} })
				b.store.Put(key(n))
				if err := b.ring.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
				for what, call := range calls {
					if err := call(t.Context(), b, a, fmt.Sprint("k", n)); err != nil {
						t.Errorf("rotation %d: %s: %v", n, what, err)
					}
				}
			}
			if b.refused > 0 {
				t.Errorf("%d refused", b.refused)
			}
		})
	}
}

// If there is no key, the call fails with an error, and the SDK does not retry.
func TestCredentialsWithoutAKey(t *testing.T) {
	b := newBench(t, key(1))
	sigv4.Configure(&b.cfg, b.ring)
	a := clients(b.cfg)
	if err := b.ring.Revoke("v1"); err != nil {
		t.Fatal(err)
	}
	for name, call := range calls {
		if err := call(t.Context(), b, a, "x"); !errors.Is(err, source.ErrNoKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := b.requests(); n > 0 {
		t.Errorf("%d requests", n)
	}
}

// A presigned URL has the key of that moment. It does not count as an attempt.
func TestPresignedURLs(t *testing.T) {
	b := newBench(t, key(1))
	sigv4.Configure(&b.cfg, b.ring)
	urls := s3.NewPresignClient(clients(b.cfg).s3)
	for n := 1; n <= 2; n++ {
		b.store.Put(key(n))
		if err := b.ring.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, err := urls.PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("o")})
		if err != nil {
			t.Fatal(err)
		}
		if got.Method != http.MethodGet || !strings.Contains(got.URL, "X-Amz-Credential="+key(n).ID+"%2F") {
			t.Errorf("presigned %s without %s", got.Method, key(n).ID)
		}
	}
	if v := b.ring.Status().Current; v.Requests > 0 || v.InFlight > 0 {
		t.Errorf("the ring counts %d requests, %d in flight", v.Requests, v.InFlight)
	}
}
