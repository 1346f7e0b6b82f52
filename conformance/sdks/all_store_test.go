//go:build all

package sdks

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	consul "github.com/hashicorp/consul/api"
	nomad "github.com/hashicorp/nomad/api"
	vault "github.com/hashicorp/vault/api"
	influx "github.com/influxdata/influxdb-client-go/v2"
	"github.com/meilisearch/meilisearch-go"
	"github.com/opensearch-project/opensearch-go/v4"
	"github.com/opensearch-project/opensearch-go/v4/opensearchapi"
	prometheus "github.com/prometheus/client_golang/api"
	prometheusv1 "github.com/prometheus/client_golang/api/prometheus/v1"

	"github.com/rollingkeys/rollingkeys/client"
	"github.com/rollingkeys/rollingkeys/conformance/mockapi"
	"github.com/rollingkeys/rollingkeys/transport"
	"github.com/rollingkeys/rollingkeys/transport/provider"
)

func init() {
	sdks = append(sdks, vaultAPI, consulAPI, nomadAPI, openSearch, meiliSearch, influxDB, prometheusAPI)
}

// says returns a classifier for APIs that refuse a key with 403 and a text that a key
// without permission does not get. These APIs check the key before they apply
// anything, so that a write may be sent again.
func says(text string) transport.Classifier {
	return func(a *transport.Answer) transport.Verdict {
		if a.Status == http.StatusForbidden && bytes.Contains(a.Body(), []byte(text)) {
			return transport.RefusedUnapplied
		}
		return transport.RFC6750(a)
	}
}

// forbidden returns a refusal with 403.
func forbidden(contentType, body string) *mockapi.Refusal {
	return &mockapi.Refusal{Status: http.StatusForbidden, Header: http.Header{"Content-Type": {contentType}}, Body: body}
}

// classified returns p with the classifier c.
func classified(p provider.Profile, c transport.Classifier) provider.Profile {
	p.Classifier = c
	return p
}

var vaultAPI = sdk{
	name: "vault/api", module: "github.com/hashicorp/vault/api",
	profile: classified(provider.Generic(transport.Header("X-Vault-Token"), "https://vault.example.com"), says("invalid token")), // page: key
	auth:    mockapi.Header("X-Vault-Token"),
	refusal: forbidden("application/json", `{"errors":["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}`),
	refused: "403",
	answer:  reply(`{"data":{"version":1,"created_time":"2026-01-01T00:00:00Z"}}`),
	use: func(_ *http.Transport, c *client.Client) calls {
		config := vault.DefaultConfig()
		config.Address = "https://vault.example.com"
		config.HttpClient = c.Client // page: line
		cl, err := vault.NewClient(config)
		if err != nil {
			return broken(err)
		}
		cl.SetToken(dummy)
		return calls{
			read: func(ctx context.Context) error {
				_, err := cl.Logical().ReadWithContext(ctx, "secret/data/1")
				return err
			},
			write: func(ctx context.Context, text string) error {
				_, err := cl.KVv2("secret").Put(ctx, "1", map[string]any{"text": text})
				return err
			},
		}
	},
	note: "A 403 with `permission denied` alone is returned to the caller: the token lacks a permission, or is invalid at a server before 1.13.",
}

var consulAPI = sdk{
	name: "consul/api", module: "github.com/hashicorp/consul/api",
	profile: classified(provider.Generic(transport.Header("X-Consul-Token"), "https://consul.example.com"), says("ACL not found")), // page: key
	auth:    mockapi.Header("X-Consul-Token"),
	refusal: forbidden("text/plain", "ACL not found"),
	refused: "403",
	answer: func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodGet {
			reply(`[{"Key":"1","Value":""}]`)(w, req)
			return
		}
		reply("true")(w, req)
	},
	use: func(_ *http.Transport, c *client.Client) calls {
		cl, err := consul.NewClient(&consul.Config{
			Scheme: "https", Address: "consul.example.com", Token: dummy,
			HttpClient: c.Client, // page: line
		})
		if err != nil {
			return broken(err)
		}
		return calls{
			read: func(ctx context.Context) error {
				_, _, err := cl.KV().Get("1", (&consul.QueryOptions{}).WithContext(ctx))
				return err
			},
			write: func(ctx context.Context, text string) error {
				_, err := cl.KV().Put(&consul.KVPair{Key: "1", Value: []byte(text)}, (&consul.WriteOptions{}).WithContext(ctx))
				return err
			},
		}
	},
}

var nomadAPI = sdk{
	name: "nomad/api", module: "github.com/hashicorp/nomad/api",
	profile: classified(provider.Generic(transport.Header("X-Nomad-Token"), "https://nomad.example.com"), says("ACL token not found")), // page: key
	auth:    mockapi.Header("X-Nomad-Token"),
	refusal: forbidden("text/plain", "ACL token not found"),
	refused: "403",
	answer:  byMethod(`"127.0.0.1:4647"`, `{"Path":"1","Items":{}}`),
	use: func(_ *http.Transport, c *client.Client) calls {
		cl, err := nomad.NewClient(&nomad.Config{
			Address: "https://nomad.example.com", SecretID: dummy,
			HttpClient: c.Client, // page: line
		})
		if err != nil {
			return broken(err)
		}
		return calls{
			read: func(context.Context) error {
				_, err := cl.Status().Leader()
				return err
			},
			write: func(ctx context.Context, text string) error {
				_, _, err := cl.Variables().Create(&nomad.Variable{Path: "1", Items: map[string]string{"text": text}},
					(&nomad.WriteOptions{}).WithContext(ctx))
				return err
			},
		}
	},
}

var openSearch = sdk{
	name: "opensearch-go", module: "github.com/opensearch-project/opensearch-go/v4",
	profile:    provider.Generic(transport.Basic(), "https://search.example.com:9200"), // page: key
	pair:       true,
	auth:       mockapi.Basic(),
	refused:    "unauthorized",
	background: "/_",
	answer: byMethod(`{"version":{"number":"3.0.0","distribution":"opensearch"}}`,
		`{"_index":"1","_id":"1","result":"created","_shards":{"total":1,"successful":1,"failed":0}}`),
	use: func(_ *http.Transport, c *client.Client) calls {
		cl, err := opensearchapi.NewClient(opensearchapi.Config{Client: opensearch.Config{
			Addresses: []string{"https://search.example.com:9200"}, Username: dummy, Password: dummy,
			HealthCheckMaxRetries: -1,                 // health checks would count as calls
			Transport:             c.Client.Transport, // page: line
		}})
		if err != nil {
			return broken(err)
		}
		return calls{
			read: func(ctx context.Context) error {
				_, err := cl.Info(ctx, nil)
				return err
			},
			write: func(ctx context.Context, text string) error {
				_, err := cl.Index(ctx, opensearchapi.IndexReq{Index: "1", Body: strings.NewReader(`{"text":"` + text + `"}`)})
				return err
			},
			close: cl.Close,
		}
	},
	note: "Its health checks go through the client too; the test turns them off.",
}

var meiliSearch = sdk{
	name: "meilisearch-go", module: "github.com/meilisearch/meilisearch-go",
	profile: classified(provider.Generic(transport.Bearer(), "https://meili.example.com"), says("invalid_api_key")), // page: key
	refusal: forbidden("application/json", `{"message":"The provided API key is invalid.","code":"invalid_api_key","type":"auth"}`),
	refused: "403",
	answer: func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodGet {
			reply(`{"commitSha":"1","pkgVersion":"1"}`)(w, req)
			return
		}
		replyWith(http.StatusAccepted, `{"taskUid":1,"status":"enqueued"}`)(w, req)
	},
	use: func(_ *http.Transport, c *client.Client) calls {
		cl := meilisearch.New("https://meili.example.com",
			meilisearch.WithAPIKey(dummy),
			meilisearch.WithCustomClient(c.Client), // page: line
		)
		return calls{
			read: func(ctx context.Context) error {
				_, err := cl.Version(ctx)
				return err
			},
			write: func(ctx context.Context, text string) error {
				_, err := cl.Index("1").AddDocuments(ctx, []map[string]string{{"id": "1", "text": text}}, nil)
				return err
			},
		}
	},
}

var influxDB = sdk{
	name: "influxdb-client-go", module: "github.com/influxdata/influxdb-client-go/v2",
	profile: provider.Generic(transport.HeaderPrefix("Authorization", "Token "), "https://influx.example.com"), // page: key
	auth:    prefixed{"Authorization", "Token "},
	refusal: &mockapi.Refusal{Header: http.Header{"Content-Type": {"application/json"}},
		Body: `{"code":"unauthorized","message":"unauthorized access"}`},
	refused: "unauthorized",
	answer: func(w http.ResponseWriter, req *http.Request) {
		if strings.HasSuffix(req.URL.Path, "/write") {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "text/csv")
		_, _ = io.WriteString(w, ",result,table,_value\r\n,_result,0,1\r\n\r\n")
	},
	use: func(_ *http.Transport, c *client.Client) calls {
		cl := influx.NewClientWithOptions("https://influx.example.com", dummy,
			influx.DefaultOptions().SetHTTPClient(c.Client), // page: line
		)
		return calls{
			read: func(ctx context.Context) error {
				_, err := cl.QueryAPI("org").QueryRaw(ctx, "buckets()", influx.DefaultDialect())
				return err
			},
			write: func(ctx context.Context, text string) error {
				return cl.WriteAPIBlocking("org", "bucket").WriteRecord(ctx, `m f="`+text+`"`)
			},
		}
	},
}

var prometheusAPI = sdk{
	name: "prometheus api", module: "github.com/prometheus/client_golang",
	profile: provider.Generic(transport.Bearer(), "https://prometheus.example.com"), // page: key
	answer: byMethod(`{"status":"success","data":{"version":"3"}}`,
		`{"status":"success","data":{"resultType":"vector","result":[]}}`),
	use: func(_ *http.Transport, c *client.Client) calls {
		cl, err := prometheus.NewClient(prometheus.Config{
			Address: "https://prometheus.example.com",
			Client:  c.Client, // page: line
		})
		if err != nil {
			return broken(err)
		}
		api := prometheusv1.NewAPI(cl)
		return calls{
			read: func(ctx context.Context) error {
				_, err := api.Buildinfo(ctx)
				return err
			},
			write: func(ctx context.Context, text string) error {
				_, _, _, err := api.Query(ctx, text, time.Now())
				return err
			},
		}
	},
}
