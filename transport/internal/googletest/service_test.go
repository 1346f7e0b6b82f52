package googletest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/rollingkeys/rollingkeys/transport/internal/drill"
)

const project = "billed-project"

// A cloud is the part of Cloud Translation and Cloud Storage that the tests need. It refuses
// an invalid key before it reads the body.
type cloud struct {
	drill.Service
	unpaid int // requests with a token that did not name the project
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key, isToken := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !isToken {
		key = r.Header.Get("X-Goog-Api-Key")
	}
	if isToken && r.Header.Get("X-Goog-User-Project") != project {
		c.Set(func() { c.unpaid++ })
	}
	valid := c.Check(strings.TrimPrefix(key, drill.Sentinel))
	w.Header().Set("Content-Type", "application/json")
	switch {
	case !valid && isToken:
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":{"code":401,"message":"no","status":"UNAUTHENTICATED"}}`)
		return
	case !valid:
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}`)
		return
	}
	name, text, err := written(r)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":{"code":400,"message":%q}}`, err)
		return
	}
	c.Write(name, text)
	fmt.Fprint(w, `{}`)
}

// written returns what a request writes: a text for translation, or an object.
func written(r *http.Request) (name, text string, err error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return "", "", err
	}
	if kind != "multipart/related" {
		var in struct {
			Data struct {
				Q      []string
				Target string
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			return "", "", err
		}
		return in.Data.Target, strings.Join(in.Data.Q, ""), nil
	}
	parts := multipart.NewReader(r.Body, params["boundary"])
	meta, err := parts.NextPart()
	if err != nil {
		return "", "", err
	}
	var object struct{ Name string }
	if err := json.NewDecoder(meta).Decode(&object); err != nil {
		return "", "", err
	}
	media, err := parts.NextPart()
	if err != nil {
		return "", "", err
	}
	content, err := io.ReadAll(media)
	return object.Name, string(content), err
}
