// Package sigv4 signs requests with AWS credentials that rotate.
//
// It puts Signature Version 4 on requests with the AWS SDK's own signer, so that
// the two access keys that IAM allows a user rotate under this SDK like any
// other key, for AWS's APIs and for what speaks like them, S3-compatible stores
// for instance. It is a module of its own, which keeps the AWS SDK out of the core's.
//
//	c, err := client.New(ctx, source, client.WithProvider(sigv4.Profile("execute-api", "eu-central-1")),
//		client.WithOrigin("https://abc123.execute-api.eu-central-1.amazonaws.com"))
//
// or, with package transport alone,
//
//	rt := transport.New(keys, sigv4.Scheme("s3", "eu-central-1"), transport.WithClassifier(sigv4.Classifier), ...)
//
// # Under the AWS SDK for Go v2
//
// One line, and every client made from the configuration signs with the ring's keys:
//
//	cfg, err := config.LoadDefaultConfig(ctx)
//	sigv4.Configure(&cfg, ring)
//	client := s3.NewFromConfig(cfg)
//
// [Middleware] signs each request anew behind the SDK's own signing, for the same
// service, region, time and body hash, and reads the answer with [Classifier]. A refused
// call is sent again with another key. The SDK retries no refusal, so its retries do not
// multiply attempts. It prepares each attempt, checksums and chunks of S3 included,
// from the body, which it rewinds: an [os.File], a bytes.Reader. A body that cannot be
// rewound is sent once, and the next call gets another key. The SDK corrects its clock
// by itself. How keys fare is in the ring's Status; transport.Observe tells nothing here.
//
// The project's transport as the SDK's HTTPClient does not do: the SDK's requests have
// no GetBody, so that the transport can neither hash a body nor send it again.
//
// Some requests keep the SDK's signature, by the key in use, and do not fall back:
// presigned URLs, event streams, and what is signed by Signature Version 4A. S3 Express
// signs with session credentials, which it fetches with the key in use. What the SDK
// does not sign stays unsigned.
//
// [Credentials] alone is for what takes a credentials provider and no middleware. It
// cannot fall back, since it never hears of a refusal.
//
// S3 answers a HEAD with the status alone, so a refusal of HeadObject looks like a lack
// of permission. HeadObject is sent once more with another key, if the ring has one. That
// counts against the first key only if it helps. After a few tries in vain
// there is a pause between them.
//
// # The key
//
// Its ID is the access key id, its Secret the secret access key. Temporary
// credentials have their session token in Extra["session_token"]; a source that
// lists them sets ExpiresAt.
//
// # What is signed
//
// Method, path, query, headers and body, as they are sent. What comes after the
// transport must not change them. The query's parameters are put in order. The
// body is read through GetBody; one without it is refused with transport.ErrBody
// before anything is sent, unless the caller set X-Amz-Content-Sha256 himself: to
// the body's SHA-256 in hexadecimal or, for S3 over https, to UNSIGNED-PAYLOAD.
// A request that comes with an Authorization header of its own fails, unless
// transport.WithOverride or transport.WithPassThrough says what is to become of it. A GET
// whose Action does more than describe, get or list is sent once: nobody repeats it when
// its answer is lost.
//
// For the service "s3" the path is signed as S3 wants it, and the header
// X-Amz-Content-Sha256 is set. Signature Version 4A and S3 Express are not covered.
//
// # Clocks
//
// AWS takes signatures whose time is within 5 or 15 minutes of its own. When it
// refuses one for its time, the scheme corrects its clock by the answer's Date,
// by at most an hour, and the request is signed anew; it never counts against the key.
//
// # Rotating the keys of an IAM user
//
// Create the second access key, publish it to the source beside the first, wait
// until Status says that the first is safe to revoke, deactivate it, and take it
// out of the source only then; delete it after a while.
// A new access key takes some seconds to be known everywhere in AWS; requests
// that it is refused for fall back to the first one meanwhile.
package sigv4
