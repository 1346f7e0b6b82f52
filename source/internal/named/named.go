// Package named returns the names of sources.
package named

import "fmt"

// Of returns src's String, or its type if it has no String.
func Of(src any) string {
	if s, ok := src.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprintf("%T", src)
}
