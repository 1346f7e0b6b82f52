// Package param parses the parameters that the source strings of several sources have in
// common: the format of a value, the files for TLS, and the place of a password. A source
// string contains no password. Each function deletes its parameters from the query.
package param

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/internal/field"
)

// Names are the parameters of all source strings but those of package remote.
var Names = []string{
	"auth_mount", "ca_file", "cert_file", "channel", "context", "creds_file", "endpoint", "field", "format", "id", "key", "key_file", "kubeconfig",
	"mount", "pair", "passphrase", "password_env", "password_file", "prefix", "role_id", "secret", "secret_id_file", "server", "strict", "tls",
	"token_file", "username",
}

// One returns the parameter, or "" if it is missing. A repeated parameter is an error.
func One(query url.Values, name string) (string, error) {
	values := query[name]
	if len(values) > 1 {
		return "", fmt.Errorf("%s is given more than once", name)
	}
	query.Del(name)
	if len(values) == 0 {
		return "", nil
	}
	return values[0], nil
}

// Some returns the parameters with these names, as [One] does.
func Some(query url.Values, names ...string) (map[string]string, error) {
	values := make(map[string]string)
	for _, name := range names {
		value, err := One(query, name)
		if err != nil {
			return nil, err
		}
		values[name] = value
	}
	return values, nil
}

// Bool returns the parameter, or false if it is missing.
func Bool(query url.Values, name string) (bool, error) {
	given := query.Has(name)
	text, err := One(query, name)
	if err != nil || !given {
		return false, err
	}
	on, err := strconv.ParseBool(text)
	if err != nil {
		return false, fmt.Errorf("%s must be true or false", name)
	}
	return on, nil
}

// Decoder returns the decoder that format names: plain (the default), json, pem or dotenv. The
// parameter prefix is for dotenv only.
func Decoder(query url.Values) (source.Decoder, error) {
	format, err := One(query, "format")
	if err != nil {
		return nil, err
	}
	hasPrefix := query.Has("prefix")
	prefix, err := One(query, "prefix")
	if err != nil {
		return nil, err
	}
	if hasPrefix && format != "dotenv" {
		return nil, errors.New("prefix needs format=dotenv")
	}
	switch format {
	case "", "plain":
		return source.Plain, nil
	case "json":
		return source.Document, nil
	case "pem":
		return source.PEM, nil
	case "dotenv":
		return source.Dotenv(prefix), nil
	}
	return nil, errors.New("format must be plain, json, pem or dotenv")
}

// Login returns the login that username, password_env and password_file name. A source calls
// password for each connection, so that the password can rotate. password is nil if there is
// neither password_env nor password_file. A username without a password is an error.
func Login(query url.Values) (username string, password func() (source.Secret, error), err error) {
	values, err := Some(query, "username", "password_env", "password_file")
	if err != nil {
		return "", nil, err
	}
	username, env, file := values["username"], values["password_env"], values["password_file"]
	switch {
	case env != "" && file != "":
		return "", nil, errors.New("password_env and password_file cannot be combined")
	case env != "":
		password = func() (source.Secret, error) { return secret("password_env", []byte(os.Getenv(env))) }
	case file != "":
		password = func() (source.Secret, error) {
			data, err := os.ReadFile(file)
			if err != nil {
				return source.Secret{}, fmt.Errorf("%w: password_file: %w", source.ErrUnavailable, err)
			}
			return secret("password_file", data)
		}
	case username != "":
		return "", nil, errors.New("username needs password_env or password_file")
	}
	return username, password, nil
}

func secret(name string, data []byte) (source.Secret, error) {
	text, err := field.Secret(data)
	if err != nil {
		return source.Secret{}, fmt.Errorf("%s: %w", name, err)
	}
	return source.NewSecret(text), nil
}

// TLS returns the TLS configuration that the parameters name. tls=true asks for the defaults.
// ca_file has the certificate authorities to trust instead of the system's. cert_file and
// key_file have the client's certificate. Without a parameter, TLS returns nil unless always
// is true. TLS reads the files, and fails if they are not valid.
func TLS(query url.Values, always bool) (*tls.Config, error) {
	on, err := Bool(query, "tls")
	if err != nil {
		return nil, err
	}
	values, err := Some(query, "ca_file", "cert_file", "key_file")
	if err != nil {
		return nil, err
	}
	ca, cert, key := values["ca_file"], values["cert_file"], values["key_file"]
	if !on && !always && ca == "" && cert == "" && key == "" {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("ca_file contains no certificate")
		}
	}
	if cert != "" || key != "" {
		// The files are read again at each handshake, so that the certificate can rotate.
		load := func() (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(cert, key)
			if err != nil {
				return nil, errors.New("cert_file and key_file are not a certificate and its key")
			}
			return &pair, nil
		}
		if _, err := load(); err != nil {
			return nil, err
		}
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	}
	return config, nil
}
