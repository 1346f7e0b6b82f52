// Package conformance tests implementations of key sources, transports and
// servers: keys must rotate without a failed request and without a leaked key.
// The author of a source runs its suite in a test:
//
//	func TestConformance(t *testing.T) {
//		conformance.TestSource(t, conformance.SourceHarness{
//			New: func(t testing.TB) conformance.SourceBackend {
//				path := filepath.Join(t.TempDir(), "key")
//				return conformance.SourceBackend{
//					Source: file.New(path),
//					Put:    func(keys ...source.Key) { write(t, path, keys) },
//					Delete: func() { os.Remove(path) },
//					// ...
//				}
//			},
//			Skip: map[string]string{"Denied": "a file has no notion of a caller"},
//		})
//	}
//
// [TestTransport] tests an http.RoundTripper that attaches a rotating key, over
// HTTP/1.1 and HTTP/2. [TestAPI] tests a server whose accepted keys change, such
// as a mock or a gateway. This tests a transport of another project:
//
//	conformance.TestTransport(t, conformance.TransportHarness{
//		New: func(t testing.TB, keys *conformance.Keys, base http.RoundTripper) (http.RoundTripper, func()) {
//			return &oauth2.Transport{Source: tokens{keys}, Base: base}, nil
//		},
//	})
//
// # Cases
//
// A suite runs each of its cases as a subtest. A case has a name and a sentence
// that says what must hold; [SourceCases], [TransportCases] and [APICases] list
// them. To skip a case that does not apply, put its name into the harness's Skip
// with the reason, which go test -v prints. A case fails if the harness lacks
// what the case needs, so that no case is skipped silently. A name in Skip that
// belongs to no case is an error.
//
// [SourceResults], [TransportResults] and [APIResults] run the same cases but
// return the outcomes instead of failing the test. They are for comparisons,
// such as that of package peers.
//
// # Secrets
//
// All secrets of the suites begin with [Sentinel]. The suites search for it in
// all errors, and in the logs, events and status of the rings that keep the
// source under test.
//
// # Time
//
// The suites use real files, servers and connections. They wait for conditions,
// not for a fixed time. Time limits only end a case that has already failed.
package conformance
