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
// as they are, in their order. What is no object is returned whole.
func withoutFields(data []byte, names []string) []byte {
	var fields []string
	dec := json.NewDecoder(bytes.NewReader(data))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return data
	}
	for dec.More() {
		tok, err := dec.Token()
		name, _ := tok.(string)
		var value json.RawMessage
		if err != nil || dec.Decode(&value) != nil {
			return data
		}
		if !slices.Contains(names, name) {
			text, _ := json.Marshal(name)
			fields = append(fields, string(text)+":"+string(value))
		}
	}
	if _, err := dec.Token(); err != nil {
		return data
	}
	return []byte("{" + strings.Join(fields, ",") + "}")
}

// isObject reports whether data looks like a JSON object rather than a form.
func isObject(data []byte) bool {
	data = bytes.TrimLeft(data, " \t\r\n")
	return len(data) > 0 && data[0] == '{'
}
