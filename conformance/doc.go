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
// # Cases
//
// A suite is a list of cases, each with a name and a sentence, run as subtests.
// A case that does not apply is left out by its name in Skip, with the reason,
// which go test -v shows. A case whose part of the harness is missing fails: what
// is not tested must be said. So does a name in Skip that no case has.
//
// # Secrets
//
// The keys of a suite come from [NewKey]. Their secrets begin with [Sentinel],
// and everything that was printed, logged or returned as an error during a case
// is searched for it.
//
// # Time
//
// The suites run against real parts and wait for what must come, never for a
// time to pass. The limits on waiting are there to end a test that has failed;
// they measure nothing.
package conformance
