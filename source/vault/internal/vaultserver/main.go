// Vaultserver is a Vault server for tests. It is one node on loopback, with KV version 2 at
// secret/ and AppRole at auth/approle/. Its data is in a directory, so it can be killed and
// started again.
//
//	vaultserver -dir DIR [-listen 127.0.0.1:0]
//
// It unseals itself. When it is ready, it prints one line of JSON:
//
//	{"address":"http://127.0.0.1:8200","token":"..."}
//
// It is a module of its own, since Vault as a library needs hundreds of modules on which no
// user of this SDK should depend.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/command/server"
	"github.com/hashicorp/vault/helper/experiments"
	"github.com/hashicorp/vault/helper/namespace"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/logging"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/file"
	"github.com/hashicorp/vault/vault"
)

func main() {
	log.SetFlags(0)
	dir := flag.String("dir", "", "directory of the data")
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	flag.Parse()
	if err := run(*dir, *listen); err != nil {
		log.Fatal("vaultserver: ", err)
	}
}

// saved is what the server needs to unseal itself after a restart.
type saved struct {
	Key   []byte `json:"key"`
	Token string `json:"token"`
}

func run(dir, listen string) error {
	if dir == "" {
		return errors.New("no -dir")
	}
	core, err := newCore(filepath.Join(dir, "data"))
	if err != nil {
		return err
	}
	ctx := namespace.RootContext(context.Background())
	var keep saved
	path := filepath.Join(dir, "unseal.json")
	data, err := os.ReadFile(path)
	first := errors.Is(err, fs.ErrNotExist)
	switch {
	case first:
		keep, err = initialise(ctx, core)
	case err == nil:
		err = json.Unmarshal(data, &keep)
	}
	if err != nil {
		return err
	}
	if _, err := core.Unseal(keep.Key); err != nil {
		return err
	}
	if first {
		if err := mount(ctx, core, keep.Token); err != nil {
			return err
		}
		if data, err = json.Marshal(keep); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return err
		}
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	handler := vaulthttp.Handler.Handler(&vault.HandlerProperties{
		Core:           core,
		ListenerConfig: &configutil.Listener{Address: l.Addr().String()},
	})
	if err := json.NewEncoder(os.Stdout).Encode(map[string]string{
		"address": "http://" + l.Addr().String(), "token": keep.Token,
	}); err != nil {
		return err
	}
	return http.Serve(l, handler)
}

func newCore(dir string) (*vault.Core, error) {
	logger := logging.NewVaultLoggerWithWriter(os.Stderr, hclog.Error)
	store, err := file.NewFileBackend(map[string]string{"path": dir}, logger)
	if err != nil {
		return nil, err
	}
	return vault.NewCore(&vault.CoreConfig{
		Physical:           store,
		LogicalBackends:    map[string]logical.Factory{"kv": kv.Factory},
		CredentialBackends: map[string]logical.Factory{"approle": approle.Factory},
		BuiltinRegistry:    registry{},
		RawConfig:          &server.Config{SharedConfig: &configutil.SharedConfig{}},
		Experiments:        []string{experiments.VaultExperimentEventsAlpha1},
		DisableMlock:       true,
		Logger:             logger,
	})
}

func initialise(ctx context.Context, core *vault.Core) (saved, error) {
	one := &vault.SealConfig{SecretShares: 1, SecretThreshold: 1, StoredShares: 1}
	result, err := core.Initialize(ctx, &vault.InitParams{BarrierConfig: one, RecoveryConfig: one})
	if err != nil {
		return saved{}, err
	}
	return saved{Key: result.SecretShares[0], Token: result.RootToken}, nil
}

func mount(ctx context.Context, core *vault.Core, token string) error {
	inner, err := core.DecodeSSCToken(token)
	if err != nil {
		return err
	}
	for path, data := range map[string]map[string]any{
		"sys/mounts/secret": {"type": "kv", "options": map[string]string{"version": "2"}},
		"sys/auth/approle":  {"type": "approle"},
	} {
		resp, err := core.HandleRequest(ctx, &logical.Request{
			Operation: logical.UpdateOperation, Path: path, ClientToken: inner, Data: data,
		})
		if err == nil && resp != nil {
			err = resp.Error()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}
