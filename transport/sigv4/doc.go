// Package sigv4 signs requests with AWS credentials that rotate.
//
// It puts Signature Version 4 on requests, made by the AWS SDK's own signer. IAM allows
// each user two access keys; with this package they rotate like any other key. It works
// for AWS's APIs and for APIs that use the same signature, such as S3-compatible
// stores. The package is a module of its own, so that the core does not require the AWS
// SDK.
//
//	c, err := client.New(ctx, source, client.WithProvider(sigv4.Profile("execute-api", "eu-central-1")),
//		client.WithOrigin("https://abc123.execute-api.eu-central-1.amazonaws.com"))
//
// With package transport alone:
//
//	rt := transport.New(keys, sigv4.Scheme("s3", "eu-central-1"), transport.WithClassifier(sigv4.Classifier), ...)
//
// # Under the AWS SDK for Go v2
//
// With one line every client made from the configuration signs with the ring's keys:
//
//	cfg, err := config.LoadDefaultConfig(ctx)
//	sigv4.Configure(&cfg, ring)
//	client := s3.NewFromConfig(cfg)
//
// [Middleware] replaces the SDK's signature of each request by one with a key of the
// ring, for the same service, region, time and body hash, and reads the answer with
// [Classifier]. It sends a refused call again with another key. The SDK does not retry
// refusals, so its retries do not multiply attempts. The SDK prepares each attempt from
// the body, including the checksums and chunks of S3. For that it must rewind the body,
// as with an [os.File] or a bytes.Reader. A body that cannot be rewound is sent once,
// and the next call gets another key. The SDK corrects its clock itself. The ring's
// Status reports how keys fare; transport.Observe reports nothing here.
//
// Do not use the project's transport as the SDK's HTTPClient: the SDK's requests have
// no GetBody, so the transport can neither hash a body nor send it again.
//
// Some requests keep the SDK's signature, made with the key in use, and do not fall
// back: presigned URLs, event streams, and requests signed by Signature Version 4A. S3
// Express signs with session credentials, which it fetches with the key in use.
// Requests that the SDK does not sign stay unsigned.
//
// Use [Credentials] alone for code that takes a credentials provider but no middleware.
// It cannot fall back, because it never learns of a refusal.
//
// S3 answers a HEAD request with only a status, so a refusal of HeadObject looks like a
// missing permission. HeadObject is sent once more with another key, if the ring has
// one. The refusal counts against the first key only if the second is accepted. After a
// few such attempts that did not help there is a pause before the next.
//
// # The key
//
// Its ID is the access key id, its Secret the secret access key. Temporary credentials
// have their session token in Extra["session_token"]; their source should set
// ExpiresAt.
//
// # What is signed
//
// The signature covers the method, path, query, headers and body, as they are sent.
// Nothing below the transport may change them. The scheme sorts the query's parameters.
// It reads the body by GetBody. If there is no GetBody, the request fails with
// transport.ErrBody and nothing is sent, unless the caller sets X-Amz-Content-Sha256:
// to the SHA-256 of the body in hexadecimal or, for S3 over https, to UNSIGNED-PAYLOAD.
//
// A request that already has an Authorization header fails, unless
// transport.WithOverride or transport.WithPassThrough is given. If the Action of a GET
// does not begin with Describe, Get or List, net/http does not repeat the request when
// its connection is lost.
//
// For the service "s3" the path is signed as S3 requires, and the header
// X-Amz-Content-Sha256 is set. Signature Version 4A and S3 Express are not supported.
//
// # Clocks
//
// AWS accepts signatures whose time differs from its own by up to 5 or 15 minutes. When
// it refuses a signature for its time, the scheme corrects its clock by the answer's
// Date, by at most one hour, and the request is signed again. This never counts against
// the key.
//
// # Rotating the keys of an IAM user
//
//  1. Create the second access key.
//  2. Publish it to the source beside the first.
//  3. Wait until Status says that the first is safe to revoke, and deactivate it.
//  4. Only then remove it from the source; delete it later.
//
// AWS needs some seconds to make a new access key known everywhere. Requests for which
// it is refused in that time fall back to the first key.
package sigv4
