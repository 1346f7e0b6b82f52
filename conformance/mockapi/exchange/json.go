package exchange

import (
	"encoding/json"
	"strconv"
	"strings"
)

// object decodes a JSON object; nil if text is none.
func object(text string) map[string]any {
	var fields map[string]any
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if dec.Decode(&fields) != nil {
		return nil
	}
	return fields
}

// textOf returns a string or number as text, or that in a list of one.
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

// number returns the integer that text is.
func number(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// nonceOf returns the nonce that text is.
func nonceOf(text string) (uint64, bool) {
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil
}
