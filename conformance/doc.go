// Package conformance holds sources, transports and servers to the promise:
// keys rotate with no failed request and no leaked key. Who writes one of his
// own runs the suite on it in a test:
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
// [TestTransport] does the same for an http.RoundTripper that attaches a rotating
// key, over HTTP/1.1 and HTTP/2, and [TestAPI] for a server with a key life, be
// it a mock or a gateway:
//
//	conformance.TestTransport(t, conformance.TransportHarness{
//		New: func(t testing.TB, keys *conformance.Keys, base http.RoundTripper) (http.RoundTripper, func()) {
//			return &oauth2.Transport{Source: tokens{keys}, Base: base}, nil
//		},
//	})
//
// # Cases
//
// A suite is a list of cases, each with a name and a sentence, run as subtests:
// [SourceCases], [TransportCases], [APICases]. A case that does not apply is left
// out by its name in Skip, with the reason, which go test -v shows. A case whose
// part of the harness is missing fails: what is not tested must be said. So does
// a name in Skip that no case has.
//
// [SourceResults], [TransportResults] and [APIResults] run the cases as data, for
// a comparison in which failing is allowed; the one in peers, a module of its own,
// is made so.
//
// # Secrets
//
// All secrets of the suites begin with [Sentinel]. Errors are searched for it, and
// with them what a ring logs, reports and shows as its status while it keeps the
// source under test.
//
// # Time
//
// The suites run against real parts and wait for what must come, never for a
// time to pass. The limits on waiting are there to end a test that has failed;
// they measure nothing.
package conformance
