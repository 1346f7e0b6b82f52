package provider

import "github.com/rollingkeys/rollingkeys/transport"

// Generic returns a profile for an API that takes its key by the given scheme and
// refuses it with 401, as HTTP says: see [transport.RFC6750]. Without origins the caller
// must name them by transport.WithOrigin.
func Generic(scheme transport.Scheme, origins ...string) Profile {
	return Profile{
		Name: "generic", Scheme: scheme, Classifier: transport.RFC6750, Origins: origins,
	}
}
