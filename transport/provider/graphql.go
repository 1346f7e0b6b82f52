package provider

import "github.com/rollingkeys/rollingkeys/transport"

// GraphQL returns a profile for a GraphQL API that refuses a key with an error code and
// status 200. scheme puts the key on a request. These codes refuse the key:
// UNAUTHENTICATED (Apollo, Yoga and others), AUTH_NOT_AUTHENTICATED (Hot Chocolate),
// AUTHENTICATION_ERROR (Linear) and invalid-jwt (Hasura). Hasura's access-denied is
// [transport.Ambiguous]: it stands for a bad admin secret and for a role that is not
// allowed. For other codes use [GraphQLCodes]:
//
//	p := provider.GraphQL(transport.Bearer(), "https://api.example.com")
//	p.Classifier = provider.GraphQLCodes(map[transport.Verdict][]string{
//		transport.RefusedUnapplied: {"TOKEN_EXPIRED"},
//	})
//
// # What is sent again
//
// If a refusal has no "data" entry, execution had not begun (GraphQL, section 7.1): any
// request may be sent again, even a mutation. If it has a "data" entry, even null, some
// resolvers have run. If a server checks keys in its resolvers, a mutation may have
// been carried out in part, so the default policy does not send a POST again. Queries
// are usually POSTs too; to send these again, use
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
