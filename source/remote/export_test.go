package remote

// CloseIdleConnections ends what a test would otherwise have to wait for.
func (s *Source) CloseIdleConnections() { s.transport.CloseIdleConnections() }
