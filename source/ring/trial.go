package ring

import "slices"

// past is what a request has behind it: attempts that were all refused.
type past struct {
	n     uint8
	early bool // the last was the current version before its pause was over
	asked bool // the source was asked, and had no other
	tried [maxAttempts]trial
}

// trial is one attempt that was refused.
type trial struct {
	v         *version
	left      moment // when it was sent
	ambiguous bool   // the refusal may not be about the key
	probe     bool
}

// maxAttempts is how often one request is sent at the very most: see [policy.next].
const maxAttempts = 4

// add adds an attempt that was refused.
func (t *past) add(tried trial) {
	t.tried[t.n] = tried
	t.n++
}

func (t *past) has(v *version) bool {
	return slices.ContainsFunc(t.tried[:t.n], func(o trial) bool { return o.v == v })
}

// keys is how many versions were tried. The first may have been tried twice in a row.
func (t *past) keys() uint8 {
	if t.n > 1 && t.tried[0].v == t.tried[1].v {
		return t.n - 1
	}
	return t.n
}

// ambiguous reports whether every refusal was.
func (t *past) ambiguous() bool {
	return !slices.ContainsFunc(t.tried[:t.n], func(o trial) bool { return !o.ambiguous })
}
