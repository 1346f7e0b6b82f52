package provider

import "github.com/rollingkeys/rollingkeys/transport"

// Generic is an API that takes its key as scheme puts it and refuses it as HTTP
// says, with 401: see [transport.RFC6750].
func Generic(scheme transport.Scheme, origins ...string) Profile {
	return Profile{
		Name: "generic", Scheme: scheme, Classifier: transport.RFC6750, Origins: origins,
	}
}
