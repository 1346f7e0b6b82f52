package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
)

const formType = "application/x-www-form-urlencoded"

var errNotForm = errors.New("the body is not a form (application/x-www-form-urlencoded)")

// isForm reports whether a request's body is a form, or does not say what it is.
func isForm(req *http.Request) bool {
	t := req.Header.Get("Content-Type")
	return t == "" || len(t) >= len(formType) && strings.EqualFold(t[:len(formType)], formType)
}

// setType sets the body's type where the caller has not.
func setType(req *http.Request, t string) {
	if req.Header.Get("Content-Type") == "" {
		req.Header["Content-Type"] = []string{t}
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

// prepend returns the JSON object data with fields, such as `"nonce":1`, before
// its own, which stay as they are. data is one, by isObject.
func prepend(data []byte, fields string) []byte {
	const space = " \t\r\n"
	rest := bytes.TrimLeft(data, space)[1:]
	out := make([]byte, 0, len(fields)+len(rest)+2)
	out = append(append(out, '{'), fields...)
	if next := bytes.TrimLeft(rest, space); len(next) > 0 && next[0] != '}' {
		out = append(out, ',')
	}
	return append(out, rest...)
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

// isObject reports whether data looks like a JSON object rather than a form.
func isObject(data []byte) bool {
	data = bytes.TrimLeft(data, " \t\r\n")
	return len(data) > 0 && data[0] == '{'
}
