// Package query takes parameters out of queries and form bodies.
package query

import (
	"net/url"
	"slices"
	"strings"
)

// Without returns a query, or a form's body, without the named parameters. The
// others stay as they are, byte for byte and in their order.
func Without(query string, names ...string) string {
	var kept []string
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		if !slices.Contains(names, name) {
			kept = append(kept, pair)
		}
	}
	return strings.Join(kept, "&")
}
