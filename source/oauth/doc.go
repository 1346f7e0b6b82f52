// Package oauth stands between OAuth 2 tokens and rings, in both directions.
//
// A token as a source of keys:
//
//	src := oauth.Fetch(conf.Token) // conf is a clientcredentials.Config
//	src := oauth.New(ts)           // any oauth2.TokenSource
//
// Hand it to ring.Keep. The ring replaces a token before it expires, and with
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
//	creds := grpcoauth.TokenSource{TokenSource: oauth.TokenSource(keys)}
//
// # Under Google's clients
//
// Clients of google.golang.org/api fall back over the project's transport, with tokens
//
//	t := transport.New(keys, transport.Bearer(), transport.WithOrigin("https://storage.googleapis.com"))
//	svc, err := storage.NewService(ctx, option.WithHTTPClient(&http.Client{Transport: t}))
//
// and with API keys over provider.Google(origins...).Transport(keys) of package
// transport/provider. Given an http.Client, these libraries leave out what else they do
// for a request: the quota project of the environment, the user agent, telemetry; and
// option.WithQuotaProject is an error beside it. Their own transport above ours does
// these, and ours replaces the token that it sets:
//
//	t := transport.New(keys, transport.Bearer(), transport.WithOverride(), transport.WithOrigin(...))
//	rt, err := htransport.NewTransport(ctx, t, // google.golang.org/api/transport/http
//		option.WithTokenSource(oauth.TokenSource(keys)), option.WithQuotaProject("my-project"))
//	svc, err := storage.NewService(ctx, option.WithHTTPClient(&http.Client{Transport: rt}))
//
// option.WithTokenSource(oauth.TokenSource(keys)) alone keeps the quota project too, but
// does not fall back. The cache of cloud.google.com/go/auth then hands out a token of up
// to 11 s ago while it asks for the next. With a cache that waits for its token, each
// call uses the key of its moment:
//
//	creds := auth.NewCredentials(&auth.CredentialsOptions{TokenProvider: auth.NewCachedTokenProvider(
//		oauth2adapt.TokenProviderFromTokenSource(oauth.TokenSource(keys)),
//		&auth.CachedTokenProviderOptions{DisableAsyncRefresh: true})})
//	svc, err := storage.NewService(ctx, option.WithAuthCredentials(creds), option.WithQuotaProject("my-project"))
package oauth
