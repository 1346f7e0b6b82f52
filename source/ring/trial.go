package ring

import "slices"

// past has the attempts of a request so far, which were all refused.
type past struct {
	n     uint8
	early bool // the last attempt was with the current version before its pause was over
	asked bool // the source was asked, and had no other key
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

// add appends a refused attempt.
func (t *past) add(tried trial) {
	t.tried[t.n] = tried
	t.n++
}

func (t *past) has(v *version) bool {
	return slices.ContainsFunc(t.tried[:t.n], func(o trial) bool { return o.v == v })
}

// keys returns how many versions were sent. The first may have been sent twice in a row.
func (t *past) keys() uint8 {
	if t.n > 1 && t.tried[0].v == t.tried[1].v {
		return t.n - 1
	}
	return t.n
}

// ambiguous reports whether every refusal was ambiguous.
func (t *past) ambiguous() bool {
	return !slices.ContainsFunc(t.tried[:t.n], func(o trial) bool { return !o.ambiguous })
}
