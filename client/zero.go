package client

import (
	"io"
	"net/http"
	"net/url"

	"github.com/rollingkeys/rollingkeys/transport"
)

// The methods of http.Client, which would panic on a Client that New did not
// make (F109).

// unmade is the http.Client of such a Client: its requests fail, and carry no key.
var unmade = &http.Client{Transport: (*transport.Transport)(nil)}

func (c *Client) inner() *http.Client {
	if c == nil || c.Client == nil {
		return unmade
	}
	return c.Client
}

// Do is http.Client's.
func (c *Client) Do(req *http.Request) (*http.Response, error) { return c.inner().Do(req) }

// Get is http.Client's.
func (c *Client) Get(url string) (*http.Response, error) { return c.inner().Get(url) }

// Head is http.Client's.
func (c *Client) Head(url string) (*http.Response, error) { return c.inner().Head(url) }

// Post is http.Client's.
func (c *Client) Post(url, contentType string, body io.Reader) (*http.Response, error) {
	return c.inner().Post(url, contentType, body)
}

// PostForm is http.Client's.
func (c *Client) PostForm(url string, data url.Values) (*http.Response, error) {
	return c.inner().PostForm(url, data)
}

// CloseIdleConnections is http.Client's.
func (c *Client) CloseIdleConnections() { c.inner().CloseIdleConnections() }
