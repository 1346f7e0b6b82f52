package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/rollingkeys/rollingkeys/transport/internal/query"
)

// Form is [Call.Body] for an API that takes a form. A body of another type fails the
// request; one that does not say what it is passes for a form.
func (c *Call) Form() []byte {
	body := c.Body()
	if len(body) > 0 && !isForm(c.Request) {
		c.Fail(errors.New("the body is not a form (" + query.FormType + ")"))
	}
	return body
}

// Field returns a field of the form or the JSON object in the body: of a form the first
// of that name, as it is sent, and of an object what [Lookup] finds. It is empty where
// there is none.
func (c *Call) Field(name string) string {
	body := c.Body()
	if isObject(body) {
		return Lookup(body, name)
	}
	value, _ := param(body, name)
	return string(value)
}

// AddField puts a field before those of the form or the JSON object in the body, unless
// there is one of that name; an empty body becomes a form. value appends the field's
// value as it stands there: encoded in a form, as JSON in an object. A body that is
// neither fails the request. Content-Type is set where the caller has not set it.
func (c *Call) AddField(name string, value Part) {
	body := c.Body()
	room := make([]byte, 0, len(name)+len(body)+32)
	switch {
	case isObject(body):
		if Lookup(body, name) == "" {
			room = append(append(append(room, `{"`...), name...), `":`...)
			c.SetBody(intoObject(value(room, c), body), "")
		}
		setType(c.Request, "application/json")
	case !isForm(c.Request):
		c.Fail(errors.New("the body is neither a form nor a JSON object"))
	default:
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

// isForm reports whether a request's body is a form, or does not say what it is.
func isForm(req *http.Request) bool {
	return req.Header.Get("Content-Type") == "" || query.IsForm(req.Header)
}

// setType sets the body's type where the caller has not.
func setType(req *http.Request, contentType string) {
	if contentType != "" && req.Header.Get("Content-Type") == "" {
		req.Header["Content-Type"] = []string{contentType}
	}
}

// param returns the raw value of a parameter in a query or form, the first one
// of that name.
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

// intoObject appends the fields of object to begin, which is the beginning of one with
// a field in it. They stay as they are. object is one, by isObject.
func intoObject(begin, object []byte) []byte {
	const space = " \t\r\n"
	rest := bytes.TrimLeft(object, space)[1:]
	if next := bytes.TrimLeft(rest, space); len(next) > 0 && next[0] != '}' {
		begin = append(begin, ',')
	}
	return append(begin, rest...)
}

// withoutFields returns the JSON object data without the named fields; the others stay
// as they are, byte for byte. What is no object is returned whole.
func withoutFields(data []byte, names []string) []byte {
	dec := json.NewDecoder(bytes.NewReader(data))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return data
	}
	out := bytes.Clone(data[:dec.InputOffset()])
	first := true
	for dec.More() {
		from := dec.InputOffset() // before what separates this field from the one before
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

// leading returns the white space ahead of the first field that is kept, without the
// comma that may stand in it.
func leading(data []byte) []byte {
	space := data[:len(data)-len(bytes.TrimLeft(data, ", \t\r\n"))]
	return bytes.ReplaceAll(space, []byte(","), nil)
}
