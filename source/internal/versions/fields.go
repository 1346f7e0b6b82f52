package versions

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"

	"github.com/rollingkeys/rollingkeys/source"
)

// Fields decodes a JSON object that holds one key in fields of these names. An
// empty id or passphrase is not looked for, an empty secret stands for "secret".
// Only the passphrase may be missing; other fields are ignored.
func Fields(id, secret, passphrase string) source.Decoder {
	secret = cmp.Or(secret, "secret")
	return func(data []byte) (source.Set, error) {
		values, err := object(data)
		if err != nil {
			return source.Set{}, err
		}
		var key source.Key
		if id != "" {
			text, err := source.Token([]byte(values[id]))
			if err != nil {
				return source.Set{}, fmt.Errorf("field %q: %w", id, err)
			}
			key.ID = text.Expose()
		}
		if key.Secret, err = source.Field([]byte(values[secret])); err != nil {
			return source.Set{}, fmt.Errorf("field %q: %w", secret, err)
		}
		if text, ok := values[passphrase]; ok && passphrase != "" {
			word, err := source.Field([]byte(text))
			if err != nil {
				return source.Set{}, fmt.Errorf("field %q: %w", passphrase, err)
			}
			key.Extra = map[string]source.Secret{"passphrase": word}
		}
		return source.Set{Keys: []source.Key{key}}, nil
	}
}

// object returns the fields of a JSON object that are text. Of a field that
// stands twice encoding/json would silently take the last (F83). Its errors
// quote nothing.
func object(data []byte) (map[string]string, error) {
	if len(data) > source.MaxSize {
		return nil, fmt.Errorf("%w: longer than %d bytes", source.ErrInvalid, source.MaxSize)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, fmt.Errorf("%w: not a JSON object", source.ErrInvalid)
	}
	values, seen := make(map[string]string), make(map[string]bool)
	for dec.More() {
		token, err := dec.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return nil, fmt.Errorf("%w: not JSON", source.ErrInvalid)
		}
		if seen[name] {
			return nil, fmt.Errorf("%w: a field stands twice", source.ErrInvalid)
		}
		seen[name] = true
		var field any
		if err := dec.Decode(&field); err != nil {
			return nil, fmt.Errorf("%w: not JSON", source.ErrInvalid)
		}
		if text, ok := field.(string); ok {
			values[name] = text
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
