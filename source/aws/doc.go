// Package aws reads keys from AWS Secrets Manager with the official client.
//
//	cfg, err := config.LoadDefaultConfig(ctx) // github.com/aws/aws-sdk-go-v2/config
//	client := secretsmanager.NewFromConfig(cfg)
//	src := aws.New(client, "prod/exchange", aws.WithNames("api-key", "api-secret", "passphrase"))
//
// Pass src to ring.Keep. If the package is imported, [source.Parse] and ring.Open also open
// these source strings:
//
//	aws://eu-central-1/prod/token                    one token
//	aws://eu-central-1/prod/keys?format=json         plain (default), json (the key document), pem
//	aws://eu-central-1/prod/exchange?id=api-key&secret=api-secret&passphrase=word
//	aws:///prod/token                                the region that AWS_REGION names
//
// A source string uses the credentials in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
// AWS_SESSION_TOKEN, which Lambda sets. Without these it uses the credentials endpoint of an
// ECS task or of EKS Pod Identity. AWS_ENDPOINT_URL_SECRETS_MANAGER or AWS_ENDPOINT_URL sets
// another endpoint than the region's. For EC2 roles, web identities, profiles and single
// sign-on, make the client with the config module and call [New]. This module does not depend
// on the config module because of its size.
//
// # Versions
//
// The set lists the version with the stage AWSCURRENT and then the one with AWSPREVIOUS, by
// their version ids. It is Complete: the ring uses no other version. The source never reads
// AWSPENDING, or a version without a stage. A rotation in Secrets Manager moves both stages in
// one step. If AWSCURRENT is moved back to an older version, the ring follows it as a rollback.
//
// AWSPREVIOUS does not expire. It stays usable until the next rotation moves the stage, or until
// UpdateSecretVersionStage removes it. CreatedAt is the version's creation date. The service has
// no other dates for a version.
//
// If the value is a key document, that of AWSCURRENT alone is the whole set.
//
// # Calls
//
// A reading makes one DescribeSecret call, and one GetSecretValue call for each version that the
// source has not read before. By default the ring reads every 30 s. Ten thousand calls cost
// about 0.05 US dollars. The source needs secretsmanager:DescribeSecret and
// secretsmanager:GetSecretValue, and also kms:Decrypt if the secret is encrypted with a key of
// your own.
//
// If the secret is deleted, or a policy no longer allows the source to read it, the reading
// fails and the ring keeps its keys. If the value of a version is no key, the source leaves
// the version out and warns, and the other versions stay usable.
package aws
