package provider

import (
	"bytes"
	"encoding/json"
	"iter"
	"strconv"
	"strings"
)

// Lookup returns the string or number at path in JSON. path is a list of names and
// indexes separated by dots, such as "error.code" or "error.0". The result is empty if
// there is none. Lookup reads data only up to the value, so data may be cut off after
// it.
func Lookup(data []byte, path string) string {
	for text := range values(data, path) {
		return text
	}
	return ""
}

// values yields the strings and numbers at path in data. "*" in the path stands for
// each element of a list. The depth of the recursion is bounded by the path, not by
// data, which may be hostile.
func values(data []byte, path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		for rest := path; rest != ""; {
			var name string
			if name, rest, _ = strings.Cut(rest, "."); name == "*" {
				for element := range elements(dec, data) {
					for text := range values(element, rest) {
						if !yield(text) {
							return
						}
					}
				}
				return
			}
			if !enter(dec, name) {
				return
			}
		}
		tok, err := dec.Token()
		if err != nil {
			return
		}
		switch v := tok.(type) {
		case string:
			yield(v)
		case json.Number:
			yield(v.String())
		}
	}
}

// find reports whether anything but null is at path, which has no "*". text is the string,
// number or boolean there; it is empty for a list or an object.
func find(data []byte, path string) (text string, ok bool) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	for name := range strings.SplitSeq(path, ".") {
		if !enter(dec, name) {
			return "", false
		}
	}
	switch tok, _ := dec.Token(); v := tok.(type) {
	case nil: // null, or the end
		return "", false
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", true
}

// enter reads up to the value of the named field, or of the element with that index. It
// reports false if there is none.
func enter(dec *json.Decoder, want string) bool {
	tok, err := dec.Token()
	if err != nil {
		return false
	}
	for i := 0; dec.More(); i++ {
		name := ""
		switch tok {
		case json.Delim('{'):
			t, err := dec.Token()
			if err != nil {
				return false
			}
			name, _ = t.(string)
		case json.Delim('['):
			name = strconv.Itoa(i)
		default:
			return false
		}
		if name == want {
			return true
		}
		if !skip(dec) {
			return false
		}
	}
	return false
}

// elements yields the elements of the list that dec has reached in data. If data is cut
// off, the last element is what is left of it.
func elements(dec *json.Decoder, data []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if tok, err := dec.Token(); err != nil || tok != json.Delim('[') {
			return
		}
		for dec.More() {
			at := dec.InputOffset()
			var element json.RawMessage
			err := dec.Decode(&element)
			if err != nil {
				element = bytes.TrimLeft(data[at:], ", \t\r\n")
			}
			if !yield(element) || err != nil {
				return
			}
		}
	}
}

// skip reads one value and discards it.
func skip(dec *json.Decoder) bool {
	for depth := 0; ; {
		tok, err := dec.Token()
		if err != nil {
			return false
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth <= 0 {
			return depth == 0
		}
	}
}

// isObject reports whether data looks like a JSON object rather than a form.
func isObject(data []byte) bool {
	data = bytes.TrimLeft(data, " \t\r\n")
	return len(data) > 0 && data[0] == '{'
}
