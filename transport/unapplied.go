package transport

// Unapplied returns a classifier that treats every refusal by c as one of a request
// that was not carried out: it turns [Refused] into [RefusedUnapplied] and leaves other
// verdicts unchanged.
//
// It is for APIs that check the key first and refuse it by another status than 401.
// Without Unapplied the default replay policy would not send a POST again after such a
// refusal:
//
//	transport.WithClassifier(transport.Unapplied(transport.Statuses(403)))
//
// Use it if the API documents this, or if a gateway in front of the API checks the key.
// If an API can answer 403 after it has begun to work, Unapplied may make it carry out
// a request twice. If that depends on the request, use [WithReplay] instead. A nil c is
// [RFC6750]. Unapplied does not block. Its result is safe for concurrent use if c is.
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
