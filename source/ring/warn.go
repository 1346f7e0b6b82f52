package ring

// Warn emits a Warning event with err, once for each text of an error. It is for what uses
// the ring, such as a transport that finds out that it is set up wrongly. err must not
// contain a secret. Warn does not block, and is safe for concurrent use. Nil is no error.
func (r *Ring) Warn(err error) {
	if r == nil || r.cancel == nil || err == nil {
		return
	}
	r.mu.Lock()
	defer r.unlock()
	r.outbox.warn(err)
}
