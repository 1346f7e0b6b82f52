package provider

import "github.com/rollingkeys/rollingkeys/transport"

// GraphQL is an API that answers in GraphQL's format, and refuses a key with status 200
// and an error code. scheme puts the key on a request. The codes are UNAUTHENTICATED
// (Apollo, Yoga and others), AUTH_NOT_AUTHENTICATED (Hot Chocolate),
// AUTHENTICATION_ERROR (Linear) and invalid-jwt (Hasura); access-denied, Hasura's for a
// bad admin secret and for a role that is not allowed, is [transport.Ambiguous].
// [GraphQLCodes] reads others:
//
//	p := provider.GraphQL(transport.Bearer(), "https://api.example.com")
//	p.Classifier = provider.GraphQLCodes(map[transport.Verdict][]string{
//		transport.RefusedUnapplied: {"TOKEN_EXPIRED"},
//	})
//
// # What is sent again
//
// A refusal whose answer has no "data" entry came before execution began (GraphQL,
// section 7.1): any request may be sent again, a mutation too. With a "data" entry, be
// it null, some resolvers have run: where a server checks keys in its resolvers, a
// mutation may have been carried out in part, and a POST is not sent again by the
// default policy. Since queries are POSTs as a rule, such servers want
//
//	transport.WithReplay(provider.ReplayQueries)
//
// https://spec.graphql.org/October2021/#sec-Response-Format
// https://www.apollographql.com/docs/apollo-server/data/errors
// https://hasura.io/docs/2.0/api-reference/graphql-api/
func GraphQL(scheme transport.Scheme, origins ...string) Profile {
	return Profile{
		Name: "graphql", Scheme: scheme, Origins: origins,
		Classifier: GraphQLCodes(map[transport.Verdict][]string{
			transport.RefusedUnapplied: {"UNAUTHENTICATED", "AUTH_NOT_AUTHENTICATED", "AUTHENTICATION_ERROR", "invalid-jwt"},
			transport.Ambiguous:        {"access-denied"},
		}),
	}
}
