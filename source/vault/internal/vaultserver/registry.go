package main

import (
	"slices"

	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
)

// registry lists the two plugins that are compiled in.
type registry struct{}

func (registry) Contains(name string, kind consts.PluginType) bool {
	return slices.Contains(registry{}.Keys(kind), name)
}

func (registry) Get(name string, kind consts.PluginType) (func() (any, error), bool) {
	if !(registry{}).Contains(name, kind) {
		return nil, false
	}
	return func() (any, error) {
		if kind == consts.PluginTypeSecrets {
			return logical.Factory(kv.Factory), nil
		}
		return logical.Factory(approle.Factory), nil
	}, true
}

func (registry) Keys(kind consts.PluginType) []string {
	switch kind {
	case consts.PluginTypeSecrets:
		return []string{"kv"}
	case consts.PluginTypeCredential:
		return []string{"approle"}
	}
	return nil
}

func (registry) DeprecationStatus(name string, kind consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, registry{}.Contains(name, kind)
}

func (registry) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
