package option_test

import (
	"slices"
	"testing"

	"github.com/rollingkeys/rollingkeys/source/internal/option"
)

// F125
func TestApplySkipsNil(t *testing.T) {
	type Option func(*[]int)
	add := func(n int) Option { return func(list *[]int) { *list = append(*list, n) } }
	var got []int
	option.Apply(&got, []Option{nil, add(1), nil, add(2), nil})
	option.Apply(&got, []Option(nil))
	if want := []int{1, 2}; !slices.Equal(got, want) {
		t.Errorf("applied %v, want %v", got, want)
	}
}
