// Package client is an *http.Client that keeps its API key fresh.
//
//	c, err := client.New(ctx, file.New("/run/secrets/api-key"), client.WithOrigin("https://api.example.com"))
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	resp, err := c.Get("https://api.example.com/v1/things")
//	fmt.Println(c.Status().Current.Version)
//
// A key that changes at its source is used from the next request on. A request
// that the server refuses because of its key is sent again with the previous
// version, or the newer one, whichever side of the rotation moved first.
//
// # One line
//
// [Parse] takes the source as a string, [FromEnv] everything from the environment:
//
//	c, err := client.FromEnv(ctx, "EXCHANGE")
//
// # What it sends, and how often
//
// A request that is refused is sent once more with another key; a third time if
// the keys change under it, when the server drops the old key between the two;
// one more time if the source came up with a new key after all were refused; and
// once more with the same key where a clock or nonce was off and its scheme has
// learnt better. With [WithRetry] that goes for each of the tries. [WithTimeout]
// bounds all of it together.
//
// # Embedding
//
// [Client.Transport] is the http.RoundTripper inside, for an http.Client of your
// own; package transport has it without the rest.
package client
