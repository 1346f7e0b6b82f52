// Package azcred puts rotating keys under the Azure SDK for Go. It is a module of its
// own, so that the core does not require the Azure SDK.
//
// # With a fall-back
//
// A client of the SDK takes a transport that sends its requests. Give it an http.Client
// over the project's transport, which puts the key on each attempt and sends a refused
// request again with another key. Give the client no credential:
//
//	t := transport.New(keys, transport.Bearer(), transport.WithOrigin(account))
//	client, err := azblob.NewClientWithNoCredential(account, &azblob.ClientOptions{
//		ClientOptions: policy.ClientOptions{Transport: &http.Client{Transport: t}}})
//
// If a constructor requires a TokenCredential or an [azcore.KeyCredential], pass nil:
// the SDK then adds no credential. The scheme for tokens is transport.Bearer. For keys
// it is transport.Header, with "aeg-sas-key" for Event Grid, "api-key" for Azure OpenAI
// and AI Search, and "Ocp-Apim-Subscription-Key" for AI services. Azure keeps two keys
// for each account, so that one can be renewed while the other is in use. The SDK
// retries neither 401 nor 403, so its retries do not multiply attempts.
//
// Signatures with a key are not supported: shared keys of Storage and of Cosmos DB.
//
// # Without a fall-back
//
// Use [TokenCredential] and [KeyCredential] for code that takes only a credential. They
// follow the ring, but the ring does not learn of refusals: from the moment that the
// server drops a key until the source has the next one, calls fail. They are not tested
// with clients that speak AMQP (Service Bus, Event Hubs), which keep a token for the
// life of a link.
//
// Do not use them together with the transport. The clients of Key Vault, for example,
// first send a request without its body and expect a refusal. With a key, the server
// would carry that request out.
package azcred
