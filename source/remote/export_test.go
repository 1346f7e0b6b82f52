package remote

// CloseIdleConnections closes idle connections, so that a test need not wait for them to time
// out.
func (s *Source) CloseIdleConnections() { s.transport.CloseIdleConnections() }
