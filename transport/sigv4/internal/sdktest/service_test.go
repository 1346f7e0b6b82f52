package sdktest_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/transport/internal/drill"
	"github.com/rollingkeys/rollingkeys/transport/sigv4/internal/verifier"
)

// cloud is the part of S3, STS, DynamoDB and Secrets Manager that the tests need. It
// checks signatures with its own verifier, checks the key before it reads the body, and
// refuses like each of the four.
type cloud struct {
	mu      sync.Mutex
	keys    map[string]string // the active ones
	ahead   time.Duration     // how far its clock is ahead of the true time
	seen    map[string]int    // requests by access key id; "" is unsigned
	refused int
	applied int
	chunked int                          // uploads in chunks with a checksum behind them
	objects map[string][sha256.Size]byte // by path, of what was put there
	items   map[string]bool
}

func newCloud(keys ...source.Key) *cloud {
	c := &cloud{keys: make(map[string]string), seen: make(map[string]int), objects: make(map[string][sha256.Size]byte), items: make(map[string]bool)}
	for _, k := range keys {
		c.keys[k.ID] = k.Secret.Expose()
	}
	return c
}

func (c *cloud) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

// requests returns the number of requests.
func (c *cloud) requests() (n int) {
	c.set(func() {
		for _, times := range c.seen {
			n += times
		}
	})
	return n
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := verifier.ID(r)
	now, keys := time.Now(), map[string]string(nil)
	c.set(func() {
		c.seen[id]++
		now, keys = now.Add(c.ahead), maps.Clone(c.keys)
	})
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	service := verifier.Service{Name: named(r), Region: region, Keys: keys}
	if _, known := keys[id]; id != "" && !known {
		_, code := service.Check(r, nil, now)
		c.refuse(w, r, service.Name, code)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has closed the connection
	}
	if id == "" && r.URL.Query().Get("X-Amz-Signature") == "" {
		fmt.Fprint(w, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult/></AssumeRoleWithWebIdentityResponse>`)
		return
	}
	if _, code := service.Check(r, body, now); code != "" {
		c.refuse(w, r, service.Name, code)
		return
	}
	c.set(func() { c.applied++ })
	switch service.Name {
	case "s3":
		c.s3(w, r, body)
	case "sts":
		if form, _ := url.ParseQuery(string(body)); form.Get("Action") != "GetCallerIdentity" {
			http.Error(w, "no such action", http.StatusNotFound)
			return
		}
		fmt.Fprintf(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><UserId>%s</UserId></GetCallerIdentityResult></GetCallerIdentityResponse>`, id)
	case "dynamodb":
		var put struct {
			Item struct{ ID struct{ S string } }
		}
		if err := json.Unmarshal(body, &put); err != nil || put.Item.ID.S == "" {
			http.Error(w, "no item", http.StatusBadRequest)
			return
		}
		c.set(func() { c.items[put.Item.ID.S] = true })
		writeJSON(w, http.StatusOK, `{}`)
	case "secretsmanager":
		writeJSON(w, http.StatusOK, fmt.Sprintf(`{"Name":"n","SecretString":%q}`, secretValue))
	}
}

const secretValue = drill.Sentinel + "of-the-manager"

// named returns the service that a request was signed for.
func named(r *http.Request) string {
	credential := r.Header.Get("Authorization")
	for _, name := range []string{"s3", "sts", "dynamodb", "secretsmanager"} {
		if strings.Contains(credential, "/"+name+"/aws4_request") {
			return name
		}
	}
	return ""
}

// writeJSON writes an answer with the checksum that DynamoDB's client checks.
func writeJSON(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(text))), 10))
	w.WriteHeader(status)
	fmt.Fprint(w, text)
}

func (c *cloud) refuse(w http.ResponseWriter, r *http.Request, service, code string) {
	c.set(func() { c.refused++ })
	w.Header().Set("X-Amz-Request-Id", "4442587FB7D0A2F9")
	switch service {
	case "dynamodb", "secretsmanager":
		if code == "InvalidClientTokenId" {
			code = "UnrecognizedClientException"
		}
		writeJSON(w, http.StatusBadRequest, fmt.Sprintf(`{"__type":"com.amazon.coral.service#%s","message":"no"}`, code))
	case "s3":
		w.WriteHeader(http.StatusForbidden)
		if r.Method != http.MethodHead {
			fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>no</Message></Error>`, code)
		}
	default:
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>%s</Code><Message>no</Message></Error></ErrorResponse>`, code)
	}
}

func (c *cloud) s3(w http.ResponseWriter, r *http.Request, body []byte) {
	switch r.Method {
	case http.MethodPut:
		content, err := content(r, body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `<Error><Code>BadDigest</Code><Message>%s</Message></Error>`, err)
			return
		}
		c.set(func() {
			c.objects[r.URL.EscapedPath()] = sha256.Sum256(content)
			if r.Header.Get("X-Amz-Trailer") != "" {
				c.chunked++
			}
		})
	case http.MethodHead:
		var ok bool
		c.set(func() { _, ok = c.objects[r.URL.EscapedPath()] })
		if !ok {
			w.WriteHeader(http.StatusNotFound)
		}
	default:
		w.WriteHeader(http.StatusNotImplemented)
	}
}

// content returns what an upload holds: the body itself, or what is in its chunks, as
// far as the checksum behind them is right.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
func content(r *http.Request, body []byte) ([]byte, error) {
	if r.Header.Get("X-Amz-Content-Sha256") != "STREAMING-UNSIGNED-PAYLOAD-TRAILER" {
		if sum := r.Header.Get("X-Amz-Checksum-Crc32"); sum != "" && sum != crc(body) {
			return nil, errors.New("the checksum is wrong")
		}
		return body, nil
	}
	var out []byte
	for {
		line, rest, found := bytes.Cut(body, []byte("\r\n"))
		size, err := strconv.ParseUint(string(line), 16, 31)
		if !found || err != nil || int(size) > len(rest) {
			return nil, errors.New("a chunk is torn")
		}
		if size == 0 {
			body = rest
			break
		}
		out = append(out, rest[:size]...)
		if body, found = bytes.CutPrefix(rest[size:], []byte("\r\n")); !found {
			return nil, errors.New("a chunk has no end")
		}
	}
	name, sum, _ := strings.Cut(strings.TrimRight(string(body), "\r\n"), ":")
	switch {
	case r.Header.Get("X-Amz-Decoded-Content-Length") != strconv.Itoa(len(out)):
		return nil, errors.New("the length is wrong")
	case name != "x-amz-checksum-crc32" || sum != crc(out):
		return nil, errors.New("the trailing checksum is wrong")
	}
	return out, nil
}

func crc(data []byte) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(data)))
}
