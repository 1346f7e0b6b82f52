// Package azcred puts rotating keys under the Azure SDK for Go. It is a module of its
// own, which keeps the Azure SDK out of the core's.
//
// # With a fall-back
//
// Clients of the SDK take something that sends their requests, and an http.Client over the
// project's transport is such a thing. It puts the key on each attempt, and sends a
// refused request again with another key, so give the client no credential:
//
//	t := transport.New(keys, transport.Bearer(), transport.WithOrigin(account))
//	client, err := azblob.NewClientWithNoCredential(account, &azblob.ClientOptions{
//		ClientOptions: policy.ClientOptions{Transport: &http.Client{Transport: t}}})
//
// Where a constructor wants a TokenCredential or an [azcore.KeyCredential], nil does: the
// SDK then leaves the request as it is. The scheme is transport.Bearer for tokens. For keys
// it is transport.Header, with "aeg-sas-key" for Event Grid, "api-key" for Azure OpenAI and
// AI Search, and "Ocp-Apim-Subscription-Key" for AI services. Azure keeps two keys of an
// account, so that one can be renewed while the other is in use. The SDK retries
// neither 401 nor 403, so its retries do not multiply attempts.
//
// What signs with the key is not covered: shared keys of Storage and of Cosmos DB.
//
// # Without one
//
// [TokenCredential] and [KeyCredential] are for what takes nothing else. They follow the
// ring, but the ring learns nothing of refusals this way: from the moment that the server
// drops a key until the source has the next, calls fail. They are not tried with what
// speaks AMQP (Service Bus, Event Hubs), which keeps a token for the life of a link.
//
// Do not use them together with the transport. Key Vault's clients, for one, send a first
// request without its body, to be refused. With a key on it, it would be carried out.
package azcred
