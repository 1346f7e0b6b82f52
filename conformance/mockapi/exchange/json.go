package exchange

import (
	"encoding/json"
	"strconv"
	"strings"
)

// object decodes a JSON object; nil if text is not one.
func object(text string) map[string]any {
	var fields map[string]any
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if dec.Decode(&fields) != nil {
		return nil
	}
	return fields
}

// textOf returns the text of a string or number, or of the single element of a
// list; "" for anything else.
func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case []any:
		if len(v) == 1 {
			return textOf(v[0])
		}
	}
	return ""
}

// number parses a decimal integer.
func number(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// nonceOf parses a nonce.
func nonceOf(text string) (uint64, bool) {
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil
}
