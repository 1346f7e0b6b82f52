package mockapi

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// Program runs cmd/mockapi; args are its flags without the program name. It writes
// the addresses to stdout as one line of JSON: url, keys_url, admin_url and, with TLS,
// ca_pem. It blocks until ctx ends or, with -exit-with-stdin, until stdin ends. A test
// program can start itself as a second process that calls Program, and so needs no
// second binary.
func Program(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("mockapi", flag.ContinueOnError)
	flags.SetOutput(stderr)
	listen := flags.String("listen", anyPort, "`address` of the API, on loopback unless -token-env is given")
	keys := flags.String("keys", anyPort, "`address` of the key document, likewise")
	admin := flags.String("admin", anyPort, "`address` of the admin API, likewise")
	tokenEnv := flags.String("token-env", "", "`name` of the environment variable with the Bearer token that the admin API and the key document need; "+
		"with it, the addresses may be ones that other machines reach, such as 0.0.0.0:8080")
	host := flags.String("host", "", "`name` by which other machines reach the server, for the addresses that are printed and the certificate; needs -token-env")
	auth := flags.String("auth", "bearer", "how a key is presented: bearer, basic, header:`NAME` or query:NAME")
	replicas := flags.Int("replicas", 1, "`number` of replicas")
	limit := flags.Int("log-limit", 100_000, "`number` of attempts that the log keeps")
	withTLS := flags.Bool("tls", false, "serve the API and the key document with HTTP/1.1 over TLS")
	http2 := flags.Bool("http2", false, "serve the API and the key document with HTTP/2 and HTTP/1.1 over TLS")
	issue := flags.Bool("issue", false, "issue a first key, v1, at the start")
	withStdin := flags.Bool("exit-with-stdin", false, "exit when stdin ends, so that the process ends with its parent")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("mockapi: unexpected argument %q", flags.Arg(0))
	}
	authenticator, err := authNamed(*auth)
	if err != nil {
		return err
	}
	opts := []Option{
		WithAddress(*listen, *keys), WithAdmin(*admin), WithAuth(authenticator),
		WithReplicas(*replicas), WithLogLimit(*limit),
	}
	if *withTLS {
		opts = append(opts, WithTLS())
	}
	if *http2 {
		opts = append(opts, WithHTTP2())
	}
	token := os.Getenv(*tokenEnv)
	switch {
	case *tokenEnv != "" && token == "":
		return fmt.Errorf("mockapi: flag -token-env: the environment variable %q is not set or empty: set it to the token", *tokenEnv)
	case *host != "" && token == "":
		return errors.New("mockapi: flag -host is for other machines, which need a token: give -token-env too")
	}
	opts = append(opts, WithToken(token, *host))
	a, err := Start(opts...)
	if err != nil {
		return err
	}
	defer a.Close()
	if *issue {
		a.Issue(Spec{})
	}
	if err := json.NewEncoder(stdout).Encode(a.addresses()); err != nil {
		return fmt.Errorf("mockapi: %w", err)
	}
	var ended chan struct{} // nil: never ready
	if *withStdin {
		ended = make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = io.Copy(io.Discard, stdin)
		}()
	}
	select {
	case <-ctx.Done():
	case <-ended:
	}
	return a.Close()
}

// authNamed returns the Authenticator for a value of the flag -auth.
func authNamed(s string) (Authenticator, error) {
	kind, name, _ := strings.Cut(s, ":")
	switch {
	case s == "bearer":
		return Bearer(), nil
	case s == "basic":
		return Basic(), nil
	case kind == "header" && name != "":
		return Header(name), nil
	case kind == "query" && name != "":
		return Query(name), nil
	}
	return nil, fmt.Errorf("mockapi: invalid flag -auth %q: want bearer, basic, header:NAME or query:NAME", s)
}
