// Package oauth stands between OAuth 2 tokens and rings, in both directions.
//
// A token as a source of keys:
//
//	src := oauth.Fetch(conf.Token) // conf is a clientcredentials.Config
//	src := oauth.New(ts)           // any oauth2.TokenSource
//
// Hand it to source.Keep. The ring replaces a token before it expires, and with
// [Fetch] also one that the server refuses before its time; a TokenSource that
// keeps its token until the end, as those of x/oauth2 do, has no way to. Where
// the client's own secret rotates, read it in the function given to Fetch.
//
// A function given to Fetch should set its own HTTP client, in the context under
// oauth2.HTTPClient: x/oauth2 else uses http.DefaultClient, which waits for this
// very token if the SDK is installed there. It should set an AuthStyle too:
// without one x/oauth2 tries both and may show the client's secret twice.
//
// A ring as a TokenSource, for gRPC and libraries that take one:
//
//	creds := grpcoauth.TokenSource{TokenSource: oauth.TokenSource(ring)}
package oauth
