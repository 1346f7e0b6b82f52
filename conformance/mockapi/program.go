package mockapi

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// Program runs the mock API as cmd/mockapi does: args are its flags, without the
// program's name. It writes the addresses to stdout as one line of JSON (see
// [Addresses]), and returns when ctx ends or, with -exit-with-stdin, when stdin does. Programs that
// start it as a process of their own can run themselves, and so need no second binary.
func Program(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("mockapi", flag.ContinueOnError)
	flags.SetOutput(stderr)
	listen := flags.String("listen", anyPort, "`address` of the API, on loopback")
	keys := flags.String("keys", anyPort, "`address` of the key document, on loopback")
	admin := flags.String("admin", anyPort, "`address` of the admin API, on loopback")
	auth := flags.String("auth", "bearer", "how a key is presented: bearer, basic, header:`NAME` or query:NAME")
	replicas := flags.Int("replicas", 1, "number of replicas")
	limit := flags.Int("log-limit", 100_000, "attempts that the log keeps")
	withTLS := flags.Bool("tls", false, "serve the API and the key document over TLS, HTTP/1.1")
	http2 := flags.Bool("http2", false, "serve them over TLS, HTTP/2 and HTTP/1.1")
	issue := flags.Bool("issue", false, "issue the first key, v1, at the start")
	withStdin := flags.Bool("exit-with-stdin", false, "end when stdin does, so that no orphan stays")
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
	a, err := Start(opts...)
	if err != nil {
		return err
	}
	defer a.Close()
	if *issue {
		a.Issue(Spec{})
	}
	if err := json.NewEncoder(stdout).Encode(a.Addresses()); err != nil {
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

// authNamed returns the Authenticator that the flag -auth names.
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
	return nil, fmt.Errorf("mockapi: -auth %q is none of bearer, basic, header:NAME, query:NAME", s)
}
