package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/rollingkeys/rollingkeys/transport"
)

// Deribit returns the profile of Deribit's HTTP API. If the secret of a key is reset,
// the old secret is invalid at once; for an overlap, rotate by making a new key.
//
// Deribit places and cancels orders by GET. Every method that is neither public nor
// begins with get_ counts as not idempotent: net/http does not repeat it when the
// connection is lost, and client.WithRetry does not either. A rule that sends all GETs
// with a read-only key would send orders with it too: use [Profile.Reads].
//
// https://docs.deribit.com/articles/authentication
func Deribit(opts ...Option) Profile {
	newline := Text("\n")
	p := Signing{
		Name: "deribit", Hash: sha256.New, Encode: hex.AppendEncode,
		Traits:  transport.Traits{NotIdempotent: deribitEffect},
		Message: []Part{Millis, newline, Nonce, newline, Method, newline, Target, newline, Body, newline},
		Headers: []Header{{"Authorization", Join(
			Text("deri-hmac-sha256 id="), ID, Text(",ts="), Millis, Text(",sig="), Signature, Text(",nonce="), Nonce)}},
		Login: deribitLogin,
	}.Profile(opts...)
	p.Origins = []string{"https://www.deribit.com"}
	// By message: Deribit's pages disagree about the error numbers.
	// How it answers to a wrong time: ? It takes one within 60 s.
	p.Classifier = Dated(p.Scheme, time.Minute, Success("result", nil, Codes("error.message", map[transport.Verdict][]string{
		transport.RefusedUnapplied: {"invalid_credentials", "invalid_token", "unauthorized", "token_revoked",
			"authorization_required"},
		// Errors that are not about the key have status 400 too.
		transport.Inconclusive: {"forbidden", "insufficient_scope", "tfa_required", "too_many_requests",
			"too_many_concurrent_requests", "retry", "settlement_in_progress", "system_maintenance",
			"temporarily_unavailable", "unavailable", "matching_engine_queue_full", "timed_out", "internal_server_error",
			"security_key_authorization_error", "not_on_this_server"},
	}, 200, 400, 401, 403)))
	p.LoginVerdict = deribitVerdict(p.Classifier)
	return p
}

// deribitEffect reports whether the method in the path may do more than read.
func deribitEffect(req *http.Request) bool {
	return !strings.HasPrefix(path.Base(req.URL.Path), "get_") && !strings.Contains(req.URL.Path, "/public/")
}

// deribitLoginID is the id of the public/auth message and of its answer. The caller's own
// messages need others.
const deribitLoginID = 1

// deribitLogin returns the public/auth message. It signs the time, the nonce and the
// field "data", which is empty here.
// https://docs.deribit.com/articles/authentication
func deribitLogin(c *Call) ([]byte, error) {
	newline := Text("\n")
	type params struct {
		GrantType string `json:"grant_type"`
		ClientID  string `json:"client_id"`
		Timestamp int64  `json:"timestamp"`
		Signature string `json:"signature"`
		Nonce     string `json:"nonce"`
		Data      string `json:"data"`
	}
	return json.Marshal(struct {
		Version string `json:"jsonrpc"`
		ID      int    `json:"id"`
		Method  string `json:"method"`
		Params  params `json:"params"`
	}{"2.0", deribitLoginID, "public/auth", params{"client_signature", c.Value(ID), c.Time.UnixMilli(),
		c.Value(Signed(Millis, newline, Nonce, newline)), c.Value(Nonce), ""}})
}

// deribitVerdict reads the answer to public/auth. Its error is that of the HTTP API.
func deribitVerdict(c transport.Classifier) func([]byte) (transport.Verdict, bool) {
	return func(message []byte) (transport.Verdict, bool) {
		var m struct {
			ID     *int64          `json:"id"`
			Result json.RawMessage `json:"result"`
			Error  json.RawMessage `json:"error"`
		}
		switch err := json.Unmarshal(message, &m); {
		case err != nil, m.ID == nil || *m.ID != deribitLoginID, m.Result == nil && m.Error == nil:
			return 0, false
		case m.Error == nil:
			return transport.Passed, true
		}
		return FailedLogin(c, 400, message)
	}
}
