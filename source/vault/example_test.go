package vault_test

import (
	"fmt"

	"github.com/hashicorp/vault/api"
	"github.com/hashicorp/vault/api/auth/approle"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/vault"
)

// This application logs in with AppRole. Its secret ID is in a mounted file.
func ExampleNew() {
	client, err := api.NewClient(&api.Config{Address: "https://vault.example.com:8200"})
	if err != nil {
		fmt.Println(err)
		return
	}
	login, err := approle.NewAppRoleAuth("trading-bot", &approle.SecretID{FromFile: "/run/secrets/secret-id"})
	if err != nil {
		fmt.Println(err)
		return
	}
	src, err := vault.New(client, "secret", "exchange", vault.WithLogin(login), vault.WithNames("id", "secret", "passphrase"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(src) // keys, err := ring.Keep(ctx, src)
	// Output: vault://vault.example.com:8200/secret/exchange
}

// A source string, such as one from a configuration file, opens the same source.
func Example() {
	src, params, err := source.Parse("vault://vault.example.com:8200/secret/exchange?id=id&secret=secret&passphrase=passphrase" +
		"&role_id=trading-bot&secret_id_file=/run/secrets/secret-id&poll=1m")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(src, params) // ring.Open also keeps its keys live
	// Output: vault://vault.example.com:8200/secret/exchange map[poll:1m0s]
}
