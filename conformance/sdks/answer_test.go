package sdks

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// reply answers with a body in JSON.
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

// byMethod answers reads and writes each with a body of their own.
func byMethod(read, write string) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodGet {
			reply(read)(w, req)
			return
		}
		reply(write)(w, req)
	}
}

// success makes an error of a status, for SDKs that leave that to their users.
func success(status int) error {
	if status/100 != 2 {
		return fmt.Errorf("status %d", status)
	}
	return nil
}

// get is what a user writes who has no SDK.
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
