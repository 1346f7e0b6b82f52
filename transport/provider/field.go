package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/rollingkeys/rollingkeys/transport/internal/query"
)

// Form returns what [Call.Body] returns. It fails the request if Content-Type is set
// and is not that of a form.
func (c *Call) Form() []byte {
	body := c.Body()
	if len(body) > 0 && !isForm(c.Request) {
		c.Fail(errors.New("the body is not a form (" + query.FormType + ")"))
	}
	c.encodeForm()
	return c.body
}

// Field returns a field of the form or the JSON object in the body. In a form it is the
// first field with that name, still encoded; in an object it is what [Lookup] returns.
// It is empty if there is no such field.
func (c *Call) Field(name string) string {
	body := c.Body()
	if isObject(body) {
		return Lookup(body, name)
	}
	value, _ := param(body, name)
	return string(value)
}

// AddField inserts a field before all others of the form or the JSON object in the
// body, unless there is a field with that name. An empty body becomes a form. value
// appends the value in the encoding of the body: form encoding or JSON. A body of
// another type fails the request. AddField sets Content-Type if the caller has not.
func (c *Call) AddField(name string, value Part) {
	body := c.Body()
	room := make([]byte, 0, len(name)+len(body)+32)
	switch {
	case isObject(body):
		if !enter(json.NewDecoder(bytes.NewReader(body)), name) {
			room = append(append(append(room, `{"`...), name...), `":`...)
			c.SetBody(intoObject(value(room, c), body), "")
		}
		setType(c.Request, "application/json")
	case !isForm(c.Request):
		c.Fail(errors.New("the body is neither a form nor a JSON object, and the scheme must add a field"))
	default:
		c.encodeForm()
		body = c.body
		if _, ok := param(body, name); !ok {
			room = value(append(append(room, name...), '='), c)
			if len(body) > 0 {
				room = append(room, '&')
			}
			c.SetBody(append(room, body...), "")
		}
		setType(c.Request, query.FormType)
	}
}

// isForm reports whether the Content-Type is that of a form, or not set.
func isForm(req *http.Request) bool {
	return req.Header.Get("Content-Type") == "" || query.IsForm(req.Header)
}

// setType sets Content-Type if the caller has not.
func setType(req *http.Request, contentType string) {
	if contentType != "" && req.Header.Get("Content-Type") == "" {
		req.Header["Content-Type"] = []string{contentType}
	}
}

// param returns the first parameter with that name in a query or form, still encoded.
func param(raw []byte, name string) (value []byte, ok bool) {
	for i := 0; ; {
		at := bytes.Index(raw[i:], []byte(name))
		if at < 0 {
			return nil, false
		}
		from := i + at
		i = from + len(name)
		if i < len(raw) && raw[i] == '=' && (from == 0 || raw[from-1] == '&') {
			value, _, _ = bytes.Cut(raw[i+1:], []byte("&"))
			return value, true
		}
	}
}

// intoObject appends the fields of object, unchanged, to begin. begin is the beginning
// of a JSON object with one field. object must satisfy isObject.
func intoObject(begin, object []byte) []byte {
	const space = " \t\r\n"
	rest := bytes.TrimLeft(object, space)[1:]
	if next := bytes.TrimLeft(rest, space); len(next) > 0 && next[0] != '}' {
		begin = append(begin, ',')
	}
	return append(begin, rest...)
}

// withoutFields returns the JSON object data without the named fields. The other fields
// stay unchanged. If data is not an object, it is returned unchanged.
func withoutFields(data []byte, names []string) []byte {
	dec := json.NewDecoder(bytes.NewReader(data))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return data
	}
	out := bytes.Clone(data[:dec.InputOffset()])
	first := true
	for dec.More() {
		from := dec.InputOffset() // before the comma that precedes this field
		name, err := dec.Token()
		if err != nil || !skip(dec) {
			return data
		}
		if text, _ := name.(string); slices.Contains(names, text) {
			continue
		}
		field := data[from:dec.InputOffset()]
		if first {
			field = bytes.TrimLeft(field, ", \t\r\n")
			out = append(out, leading(data[from:])...)
		}
		first = false
		out = append(out, field...)
	}
	from := dec.InputOffset()
	if _, err := dec.Token(); err != nil {
		return data
	}
	return append(out, data[from:]...)
}

// leading returns the white space before the first field that is kept, without a comma.
func leading(data []byte) []byte {
	space := data[:len(data)-len(bytes.TrimLeft(data, ", \t\r\n"))]
	return bytes.ReplaceAll(space, []byte(","), nil)
}
