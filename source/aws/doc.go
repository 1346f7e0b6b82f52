// Package aws reads keys from AWS Secrets Manager with the official client.
//
//	cfg, err := config.LoadDefaultConfig(ctx) // github.com/aws/aws-sdk-go-v2/config
//	client := secretsmanager.NewFromConfig(cfg)
//	src := aws.New(client, "prod/exchange", aws.WithNames("api-key", "api-secret", "passphrase"))
//
// Hand it to ring.Keep. Importing the package also opens source strings:
//
//	aws://eu-central-1/prod/token                    one token
//	aws://eu-central-1/prod/keys?format=json         plain (default), json (the key document), pem
//	aws://eu-central-1/prod/exchange?id=api-key&secret=api-secret&passphrase=word
//	aws:///prod/token                                AWS_REGION says where
//
// A string takes the credentials from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY
// and AWS_SESSION_TOKEN, as Lambda has them, else from the endpoint of an ECS
// task or an EKS pod identity, and another endpoint than the region's from
// AWS_ENDPOINT_URL_SECRETS_MANAGER or AWS_ENDPOINT_URL. EC2 roles, web
// identities, profiles and single sign-on are the config module's work: make the
// client with it and call [New]. It is not part of this module, for its weight.
//
// # Versions
//
// The set has the version that is AWSCURRENT and then the one that is
// AWSPREVIOUS, under their version ids, and is complete: no other is used.
// AWSPENDING, and versions without a stage, are never read. Rotation in Secrets
// Manager moves both stages in one step, and so does moving AWSCURRENT back,
// which the ring follows as a rollback.
//
// AWSPREVIOUS has no end: it stays usable until the next rotation moves it, or
// somebody takes the stage away (UpdateSecretVersionStage). CreatedAt is the
// version's creation; the service has no other dates.
//
// If the value is a key document, that of AWSCURRENT alone is the answer.
//
// # Calls
//
// One DescribeSecret for each reading, by default every 30 s, and one
// GetSecretValue for each version when it is first seen. Ten thousand calls cost
// about 0.05 US dollars. The source needs secretsmanager:DescribeSecret and
// secretsmanager:GetSecretValue, and kms:Decrypt for a key of your own.
//
// A secret that is deleted, or that a policy no longer lets us read, leaves the
// ring with the keys it has. A version whose value is no key is left out with a
// warning, and what was good stays in use.
package aws
