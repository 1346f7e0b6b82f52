// Package oauth connects OAuth 2 tokens and rings, in both directions.
//
// A token as a source of keys:
//
//	src := oauth.Fetch(conf.Token) // conf is a clientcredentials.Config
//	src := oauth.New(ts)           // any oauth2.TokenSource
//
// Pass src to ring.Keep. The ring replaces a token before it expires. With [Fetch] it also
// replaces a token that the server refuses before it expires. With [New] it cannot do that
// if the TokenSource returns the same token until it expires, as those of x/oauth2 do. If
// the client's own secret rotates, read it in the function that you pass to Fetch.
//
// A function for Fetch should put an HTTP client of its own into the context, under the key
// oauth2.HTTPClient. Otherwise x/oauth2 uses http.DefaultClient. If this SDK is installed
// there, that client waits for the very token. The function should also set an AuthStyle.
// Without one, x/oauth2 tries both styles and may send the client's secret twice.
//
// A ring as a TokenSource, for gRPC and for libraries that take one:
//
//	creds := grpcoauth.TokenSource{TokenSource: oauth.TokenSource(keys)}
//
// # Google's clients
//
// Clients of google.golang.org/api fall back to a previous token if they use this SDK's
// transport:
//
//	t := transport.New(keys, transport.Bearer(), transport.WithOrigin("https://storage.googleapis.com"))
//	svc, err := storage.NewService(ctx, option.WithHTTPClient(&http.Client{Transport: t}))
//
// With API keys, use provider.Google(origins...).Transport(keys) of package
// transport/provider in the same way. With an http.Client, these libraries do not set the
// quota project of the environment and the user agent, and record no telemetry.
// option.WithQuotaProject is then an error. To have all of these, put Google's own transport
// above this SDK's, which replaces the token that Google's transport sets:
//
//	t := transport.New(keys, transport.Bearer(), transport.WithOverride(), transport.WithOrigin(...))
//	rt, err := htransport.NewTransport(ctx, t, // google.golang.org/api/transport/http
//		option.WithTokenSource(oauth.TokenSource(keys)), option.WithQuotaProject("my-project"))
//	svc, err := storage.NewService(ctx, option.WithHTTPClient(&http.Client{Transport: rt}))
//
// option.WithTokenSource(oauth.TokenSource(keys)) alone also keeps the quota project, but it
// does not fall back. While the cache of cloud.google.com/go/auth asks for the next token, it
// returns one that is up to 11 s old. If the cache waits for its token, each call uses the
// current key:
//
//	creds := auth.NewCredentials(&auth.CredentialsOptions{TokenProvider: auth.NewCachedTokenProvider(
//		oauth2adapt.TokenProviderFromTokenSource(oauth.TokenSource(keys)),
//		&auth.CachedTokenProviderOptions{DisableAsyncRefresh: true})})
//	svc, err := storage.NewService(ctx, option.WithAuthCredentials(creds), option.WithQuotaProject("my-project"))
package oauth
