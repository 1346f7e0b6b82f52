package sdktest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport/internal/drill"
)

// The tests leave no goroutine (F104) and use no configuration of the machine.
func TestMain(m *testing.M) {
	for _, name := range os.Environ() {
		if name, _, _ := strings.Cut(name, "="); strings.HasPrefix(name, "AWS_") {
			if err := os.Unsetenv(name); err != nil {
				panic(err)
			}
		}
	}
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		if err := os.Setenv(name, os.DevNull); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

const region = "eu-central-1"

func key(n int) source.Key {
	return source.Key{
		Version: fmt.Sprint("v", n), ID: fmt.Sprint("AKIDEXAMPLE", n), Secret: source.NewSecret(fmt.Sprint(drill.Sentinel, "secret/+", n)),
	}
}

// bench is a cloud over TLS, a ring, and a configuration for clients of both.
type bench struct {
	*cloud
	t     *testing.T
	store *drill.Store
	ring  *ring.Ring
	cfg   aws.Config
	http1 bool          // else HTTP/2
	wait  time.Duration // for the source, where every key is refused
}

// newBench makes a bench whose cloud and source have the same keys. Its configuration
// comes from LoadDefaultConfig, as in a program, without credentials.
func newBench(t *testing.T, keys ...source.Key) *bench {
	t.Helper()
	return bench{wait: 5 * time.Second}.start(t, keys...)
}

func (b bench) start(t *testing.T, keys ...source.Key) *bench {
	t.Helper()
	b.t, b.cloud, b.store = t, newCloud(keys...), drill.NewStore(keys...)
	b.ring = b.store.Keep(t, ring.WithRefusalWait(b.wait))
	server := httptest.NewUnstartedServer(b.cloud)
	server.EnableHTTP2 = !b.http1
	server.StartTLS()
	t.Cleanup(func() {
		b.ring.Close()
		server.CloseClientConnections()
		server.Close()
	})
	b.cfg = b.configure(t, config.WithBaseEndpoint(server.URL), config.WithHTTPClient(server.Client()))
	return &b
}

func (b *bench) configure(t *testing.T, options ...func(*config.LoadOptions) error) aws.Config {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context(), append(options, config.WithRegion(region))...)
	if err != nil {
		t.Fatal(err)
	}
	if b.cfg.HTTPClient != nil {
		cfg.HTTPClient, cfg.BaseEndpoint = b.cfg.HTTPClient, b.cfg.BaseEndpoint
	}
	return cfg
}

// api is the clients of one configuration.
type api struct {
	s3      *s3.Client
	sts     *sts.Client
	dynamo  *dynamodb.Client
	secrets *secretsmanager.Client
}

func clients(cfg aws.Config) api {
	return api{
		s3:      s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }),
		sts:     sts.NewFromConfig(cfg),
		dynamo:  dynamodb.NewFromConfig(cfg),
		secrets: secretsmanager.NewFromConfig(cfg),
	}
}

// calls are the calls of the tests to the four services. n makes the names that they
// write unique.
var calls = map[string]func(context.Context, *bench, api, string) error{
	"sts GetCallerIdentity": func(ctx context.Context, b *bench, a api, _ string) error {
		out, err := a.sts.GetCallerIdentity(ctx, nil)
		if err == nil && !strings.HasPrefix(aws.ToString(out.UserId), "AKIDEXAMPLE") {
			err = errors.New("no identity in the answer")
		}
		return err
	},
	"dynamodb PutItem": func(ctx context.Context, b *bench, a api, n string) error {
		_, err := a.dynamo.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: aws.String("t"), Item: map[string]types.AttributeValue{"ID": &types.AttributeValueMemberS{Value: n}},
		})
		var there bool
		b.set(func() { there = b.items[n] })
		if err == nil && !there {
			err = errors.New("the item is not there")
		}
		return err
	},
	"secretsmanager GetSecretValue": func(ctx context.Context, b *bench, a api, _ string) error {
		out, err := a.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("n")})
		if err == nil && aws.ToString(out.SecretString) != secretValue {
			err = errors.New("another secret in the answer")
		}
		return err
	},
	"s3 PutObject": func(ctx context.Context, b *bench, a api, n string) error {
		content := text(n)
		name := filepath.Join(b.t.TempDir(), "object")
		if err := os.WriteFile(name, append([]byte("skipped"), content...), 0o600); err != nil {
			return err
		}
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		if _, err := file.Seek(int64(len("skipped")), 0); err != nil { // the SDK sends from here on
			return err
		}
		object := "a b/ü+" + n
		if _, err = a.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: &object, Body: file}); err != nil {
			return err
		}
		return b.stored(object, content)
	},
}

func text(n string) []byte { return []byte(strings.Repeat(n+" is what is written here.\n", 1000)) }

// wantRefused fails the test unless err is a refusal by the cloud.
func wantRefused(t *testing.T, err error) {
	t.Helper()
	if _, ok := errors.AsType[smithy.APIError](err); !ok {
		t.Errorf("error %v, want the refusal", err)
	}
	if err != nil && strings.Contains(err.Error(), drill.Sentinel) {
		t.Error("the error holds a secret") // F95
	}
}
