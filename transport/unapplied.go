package transport

// Unapplied returns a classifier that takes every refusal of c for one of a request
// that was not carried out: [Refused] becomes [RefusedUnapplied]. Other verdicts stay.
//
// It is for APIs that check the key before they do anything else, and refuse it by
// another status than 401, so that the default replay policy would not send a POST
// again:
//
//	transport.WithClassifier(transport.Unapplied(transport.Statuses(403)))
//
// Use it where the API documents that, or where a gateway in front of the API checks
// the key. An API that answers 403 in the midst of its work would carry a request out
// twice. Where that depends on the request, use [WithReplay] in its place. A nil c is
// [RFC6750]. Unapplied does not block, and its result is as safe for concurrent use as
// c is.
func Unapplied(c Classifier) Classifier {
	if c == nil {
		c = RFC6750
	}
	return func(a *Answer) Verdict {
		if v := c(a); v != Refused {
			return v
		}
		return RefusedUnapplied
	}
}
