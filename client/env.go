package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollingkeys/rollingkeys/source"
	"github.com/rollingkeys/rollingkeys/source/ring"
	"github.com/rollingkeys/rollingkeys/transport"
)

// FromEnv returns a client configured by environment variables. With the prefix
// EXCHANGE it reads
//
//	EXCHANGE_ORIGIN      the origins that may receive the key, separated by commas
//	EXCHANGE_KEY_SOURCE  a source string, see [Parse]; default env://EXCHANGE?pair=true
//	EXCHANGE_KEY_SCHEME  bearer (default), basic, header:NAME or query:NAME
//	EXCHANGE_KEY_REFUSED the statuses that refuse a key, such as 401,403; default 401;
//	                     see [transport.Statuses]
//	EXCHANGE_TIMEOUT     a duration such as 30s, see [WithTimeout]; default as there
//
// EXCHANGE_ORIGIN is required, unless an option names the origins. Options override
// the variables, and the variables override the profile of [WithProvider]. The error
// about wrong values names each variable, what is wrong with it and what it may be;
// it wraps [source.ErrInvalid], and shows no value but a source string without its
// parameters. FromEnv blocks like [New].
func FromEnv(ctx context.Context, prefix string, opts ...Option) (*Client, error) {
	if prefix == "" {
		return nil, fmt.Errorf("client: FromEnv: %w: the prefix is empty: want that of the variables, such as EXCHANGE for EXCHANGE_ORIGIN", source.ErrInvalid)
	}
	e := environment{prefix: prefix}
	e.read("_KEY_SCHEME", e.scheme)
	e.read("_KEY_REFUSED", e.refused)
	e.read("_TIMEOUT", e.timeout)
	e.origins(opts)
	src, params := e.source()
	if len(e.wrong) > 0 {
		return nil, errors.Join(e.wrong...)
	}
	return New(ctx, src, slices.Concat([]Option{WithRing(ring.WithParams(params))}, e.set, opts)...)
}

// environment is what the variables say.
type environment struct {
	prefix string
	set    []Option
	wrong  []error
}

// variableError says what is wrong with a variable. It shows no value: somebody may have
// put the key there.
type variableError struct {
	name, cause, want string
}

func (e *variableError) Error() string {
	return fmt.Sprintf("client: environment variable %s: %s: want %s", e.name, e.cause, e.want)
}

func (*variableError) Is(target error) bool { return target == source.ErrInvalid }

// read calls use with the variable's value, if it has one.
func (e *environment) read(suffix string, use func(value string) (cause, want string)) {
	if value := os.Getenv(e.prefix + suffix); value != "" {
		e.note(suffix)(use(value))
	}
}

// note returns a function that records what is wrong with a variable, if anything.
func (e *environment) note(suffix string) func(cause, want string) {
	return func(cause, want string) {
		if cause != "" {
			e.wrong = append(e.wrong, &variableError{e.prefix + suffix, cause, want})
		}
	}
}

func (e *environment) scheme(value string) (cause, want string) {
	want = "bearer, basic, header:NAME or query:NAME, such as header:X-Api-Key"
	var scheme transport.Scheme
	switch kind, name, named := strings.Cut(value, ":"); {
	case kind == "bearer" && !named:
		scheme = transport.Bearer()
	case kind == "basic" && !named:
		scheme = transport.Basic()
	case kind == "header" && name != "":
		scheme = transport.Header(name)
	case kind == "query" && name != "":
		scheme = transport.Query(name)
	case kind == "header" || kind == "query":
		return "the name of the " + kind + " is missing", want
	default:
		return "no such scheme", want
	}
	// New would not name the variable.
	if _, err := scheme.Prepare(source.Key{ID: "id", Secret: source.NewSecret("secret")}); err != nil {
		return "a header cannot have that name", want
	}
	e.set = append(e.set, WithScheme(scheme))
	return "", ""
}

func (e *environment) refused(value string) (cause, want string) {
	var codes []int
	for _, text := range list(value) {
		code, err := strconv.Atoi(text)
		if err != nil || code < 400 || code > 599 {
			return "not a list of HTTP statuses of errors", "numbers from 400 to 599, separated by commas, such as 401,403"
		}
		codes = append(codes, code)
	}
	if len(codes) == 0 {
		return "it names no status", "numbers from 400 to 599, separated by commas, such as 401,403"
	}
	e.set = append(e.set, WithTransport(transport.WithClassifier(transport.Statuses(codes...))))
	return "", ""
}

func (e *environment) timeout(value string) (cause, want string) {
	want = "a duration with its unit, such as 30s or 2m, or 0 for no limit"
	switch d, err := time.ParseDuration(value); {
	case err != nil:
		return "not a duration", want
	case d < 0:
		return "it is negative", want
	default:
		e.set = append(e.set, WithTimeout(d))
	}
	return "", ""
}

// origins checks the origins together with the caller's options: these may name origins
// too, and WithInsecureHTTP allows plain http.
func (e *environment) origins(opts []Option) {
	// problem returns what is wrong with the origins of these options, or nil.
	problem := func(opts []Option, more ...Option) error {
		cfg := configure(slices.Concat(opts, more))
		err := transport.New(nil, transport.Bearer(), cfg.transportOptions()...).Err()
		if errors.Is(err, transport.ErrOrigin) || errors.Is(err, transport.ErrInsecure) {
			return err
		}
		return nil
	}
	const example = "https://api.example.com"
	const want = "the origins that the key may go to, separated by commas, such as " + example
	wrong, value := e.note("_ORIGIN"), os.Getenv(e.prefix+"_ORIGIN")
	if value == "" {
		// If that helps, it is what is missing. Else New reports what the options say.
		if problem(opts) != nil && problem([]Option{WithOrigin(example)}, opts...) == nil {
			wrong("not set", want)
		}
		return
	}
	origins := list(value)
	for i, origin := range origins {
		of := fmt.Sprintf("number %d of %d: ", i+1, len(origins))
		switch err := problem(opts, WithOrigin(origin)); {
		case errors.Is(err, transport.ErrInsecure):
			wrong(of+"plain http is for loopback only", "https, such as "+example)
		case err != nil:
			wrong(of+strings.TrimPrefix(err.Error(), transport.ErrOrigin.Error()+": "), want)
		}
	}
	if len(origins) == 0 {
		wrong("it names no origin", want)
	}
	e.set = append(e.set, WithOrigin(origins...))
}

// source opens the source of the keys.
func (e *environment) source() (source.Source, source.Params) {
	value := os.Getenv(e.prefix + "_KEY_SOURCE")
	if value == "" {
		value = "env://" + e.prefix + "?pair=true"
	}
	src, params, err := source.Parse(value)
	if err != nil {
		e.note("_KEY_SOURCE")(err.Error(), "a source string such as file:///run/secrets/api-key, or env://"+e.prefix+"?pair=true")
	}
	return src, params
}

// list splits a value at commas and spaces.
func list(value string) []string {
	return strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
}
