package pair

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/decode"
)

// JSON decodes a JSON object that has the fields of one key as strings. It is a
// [source.Decoder].
func (n Names) JSON(data []byte) (source.Set, error) {
	fields, err := object(data)
	if err != nil {
		return source.Set{}, err
	}
	return n.Key(fields)
}

// object returns the fields of a JSON object whose values are strings. A repeated field is an
// error, since encoding/json would silently use the last one (F83). The errors quote nothing.
func object(data []byte) (map[string][]byte, error) {
	if len(data) > source.MaxSize {
		return nil, decode.ErrTooLong
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, fmt.Errorf("%w: not a JSON object", source.ErrInvalid)
	}
	values, seen := make(map[string][]byte), make(map[string]bool)
	for dec.More() {
		token, err := dec.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return nil, fmt.Errorf("%w: invalid JSON", source.ErrInvalid)
		}
		if seen[name] {
			return nil, fmt.Errorf("%w: a field is repeated", source.ErrInvalid)
		}
		seen[name] = true
		var field any
		if err := dec.Decode(&field); err != nil {
			return nil, fmt.Errorf("%w: invalid JSON", source.ErrInvalid)
		}
		if text, ok := field.(string); ok {
			values[name] = []byte(text)
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("%w: cut short", source.ErrInvalid)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("%w: text after the object", source.ErrInvalid)
	}
	return values, nil
}
