package client

import (
	"io"
	"net/http"
	"net/url"
)

// The methods of the embedded http.Client, which is nil in a zero Client: without
// these they would panic (F109).

// unmade is the http.Client of a zero Client. Its requests fail, and send nothing.
var unmade = &http.Client{Transport: (*Transport)(nil)}

func (c *Client) inner() *http.Client {
	if c == nil || c.Client == nil {
		return unmade
	}
	return c.Client
}

// Do calls the method Do of the embedded http.Client.
func (c *Client) Do(req *http.Request) (*http.Response, error) { return c.inner().Do(req) }

// Get calls the method Get of the embedded http.Client.
func (c *Client) Get(url string) (*http.Response, error) { return c.inner().Get(url) }

// Head calls the method Head of the embedded http.Client.
func (c *Client) Head(url string) (*http.Response, error) { return c.inner().Head(url) }

// Post calls the method Post of the embedded http.Client.
func (c *Client) Post(url, contentType string, body io.Reader) (*http.Response, error) {
	return c.inner().Post(url, contentType, body)
}

// PostForm calls the method PostForm of the embedded http.Client.
func (c *Client) PostForm(url string, data url.Values) (*http.Response, error) {
	return c.inner().PostForm(url, data)
}

// CloseIdleConnections calls the method of the embedded http.Client.
func (c *Client) CloseIdleConnections() { c.inner().CloseIdleConnections() }
