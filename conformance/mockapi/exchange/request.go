package exchange

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// LoginPath is the path for WebSocket login messages, as Login of a profile in
// transport/provider makes them. POST the text of the message; the body of the response
// is the text of the WebSocket's answer.
const LoginPath = "/websocket/login"

// OrderID returns the nth client order ID in the exchange's format.
func (e *Exchange) OrderID(n int) string {
	if e.venue.orderID == "0" {
		return strconv.Itoa(n)
	}
	return e.venue.orderID + strconv.Itoa(n)
}

// Place returns an unsigned request that places an order, to be sent through the
// client under test. base is the URL of the mock API.
func (e *Exchange) Place(ctx context.Context, base, orderID string) (*http.Request, error) {
	return e.request(ctx, place, base, orderID)
}

// Cancel returns an unsigned request that cancels the order.
func (e *Exchange) Cancel(ctx context.Context, base, orderID string) (*http.Request, error) {
	return e.request(ctx, cancel, base, orderID)
}

// Read returns an unsigned request that a read-only key may send, such as one for
// balances.
func (e *Exchange) Read(ctx context.Context, base string) (*http.Request, error) {
	return e.request(ctx, read, base, "")
}

// Login returns a request with a WebSocket login message; see [LoginPath].
func (e *Exchange) Login(ctx context.Context, base string, message []byte) (*http.Request, error) {
	return http.NewRequestWithContext(ctx, http.MethodPost, base+LoginPath, strings.NewReader(string(message)))
}

func (e *Exchange) request(ctx context.Context, kind actionKind, base, id string) (*http.Request, error) {
	a := e.venue.actions[kind]
	target, body, contentType := strings.ReplaceAll(a.path, "{id}", url.PathEscape(id)), "", ""
	params := a.params
	if a.id != "" && a.in != inJSON {
		params += "&" + a.id + "=" + url.QueryEscape(id)
	}
	params = strings.TrimPrefix(params, "&")
	switch a.in {
	case inQuery:
		if params != "" {
			target += "?" + params
		}
	case inForm:
		body, contentType = params, "application/x-www-form-urlencoded"
	case inJSON:
		text, err := e.json(a, params, id)
		if err != nil {
			return nil, fmt.Errorf("exchange: %w", err)
		}
		body, contentType = text, "application/json"
	}
	req, err := http.NewRequestWithContext(ctx, a.method, base+target, strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("exchange: %w", err)
	}
	if body != "" && contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return req, nil
}

// json returns the action's parameters as a JSON object.
func (e *Exchange) json(a action, params, id string) (string, error) {
	values, err := url.ParseQuery(params)
	if err != nil {
		return "", err
	}
	fields := make(map[string]any)
	for name := range values {
		fields[name] = values.Get(name)
	}
	if name, list := strings.CutSuffix(a.id, "[]"); list {
		fields[name] = []string{id}
	} else if e.venue.orderID == "0" && name != "" {
		fields[name] = json.Number(id)
	} else if name != "" {
		fields[name] = id
	}
	text, err := json.Marshal(fields)
	return string(text), err
}

// Confirmed reports whether a response to Place or Cancel with the status and body
// says that the order was accepted or canceled. The status alone does not say so:
// Kraken and Bybit refuse with 200.
func (e *Exchange) Confirmed(status int, body []byte, orderID string) bool {
	id := `"` + orderID + `"`
	if e.venue.orderID == "0" {
		id = "null," + orderID + ","
	}
	return status == http.StatusOK && strings.Contains(string(body), id)
}

// Answered reports whether a response to Read with the status and body is a
// success.
func (e *Exchange) Answered(status int, body []byte) bool {
	return status == http.StatusOK && string(body) == e.venue.actions[read].reply
}
