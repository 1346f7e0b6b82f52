// Package rollingkeys is only this page: it has no code.
//
// Module rollingkeys gets API keys from files, the environment, HTTP endpoints and
// secrets managers, and puts them on HTTP requests. It switches to a new key while the
// program runs, and falls back to the previous key while the server does not accept the
// new one yet. A rotation fails no request and needs no restart.
//
// Begin with one of these packages:
//
//   - [github.com/rollingkeys/rollingkeys/client] is an *http.Client that keeps its key
//     fresh.
//   - [github.com/rollingkeys/rollingkeys/transport] is the http.RoundTripper inside, for
//     an HTTP client of your own or an API's SDK, and
//     [github.com/rollingkeys/rollingkeys/transport/provider] has the rules of real APIs.
//   - [github.com/rollingkeys/rollingkeys/source] says what a source of keys is, and
//     [github.com/rollingkeys/rollingkeys/source/ring] keeps its keys live.
//   - [github.com/rollingkeys/rollingkeys/conformance/mockapi] is a mock API with a whole
//     key life, for tests.
package rollingkeys
