// Package named says what a source calls itself.
package named

import "fmt"

// Of returns src's own name, which is its String, or its type where it has none.
func Of(src any) string {
	if s, ok := src.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprintf("%T", src)
}
