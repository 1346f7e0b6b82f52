// Package client provides an *http.Client whose API key stays current.
//
//	c, err := client.New(ctx, file.New("/run/secrets/api-key"), client.WithOrigin("https://api.example.com"))
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	resp, err := c.Get("https://api.example.com/v1/things")
//	fmt.Println(c.Status().Current.Version)
//
// When the key changes at its source, the next request uses the new one. When
// the server refuses a request because of its key, the client sends the request
// again: with the previous version if the server does not know the new key yet,
// or with the newer version if the server has already dropped the old one.
//
// # Configuration from the environment
//
// [Parse] takes the source as a string. [FromEnv] takes all settings from
// environment variables:
//
//	c, err := client.FromEnv(ctx, "EXCHANGE")
//
// # Number of attempts
//
// A refused request is normally sent twice: the second attempt carries another
// key. Three cases add one attempt each:
//
//   - The keys change while the request is under way, for example when the
//     server drops the old key between the two attempts.
//   - The source delivers a new key after the server refused all known keys.
//   - The server reports a wrong clock or nonce, and the scheme has learned the
//     right one from the answer. This attempt carries the same key.
//
// [WithRetry] repeats requests that failed for other reasons; these limits then
// apply to each try. [WithTimeout] bounds all attempts together.
//
// # Use in another http.Client
//
// [Client.Transport] returns the client's http.RoundTripper, for use in an
// http.Client or a transport.Route of your own: it has the keys, the retries and the
// time limits. Package transport attaches keys without a client around it.
package client
