package sdks

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// reply answers with 200 and a JSON body.
func reply(body string) http.HandlerFunc { return replyWith(http.StatusOK, body) }

func replyWith(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if status != http.StatusNoContent {
			_, _ = io.WriteString(w, body)
		}
	}
}

// byMethod answers GETs with read and other methods with write.
func byMethod(read, write string) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodGet {
			reply(read)(w, req)
			return
		}
		reply(write)(w, req)
	}
}

// success returns an error unless status is 2xx, for SDKs that do not check it.
func success(status int) error {
	if status/100 != 2 {
		return fmt.Errorf("status %d", status)
	}
	return nil
}

// get sends a GET without an SDK.
func get(ctx context.Context, c *http.Client, url, token string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return success(resp.StatusCode)
}
