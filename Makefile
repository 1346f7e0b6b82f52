# make test passes the tests; everything it needs it installs. The rest is for
# those who work on it: see CONTRIBUTING.md.

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
BENCHSTAT   := golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da

.PHONY: test check unit deps bench fuzz

test: deps check unit

# Debian's nginx, for the gateway test. Elsewhere install it by hand.
deps:
	@./.ci/install nginx-light:nginx

check:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'gofmt: the files above'; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...

unit:
	ROLLINGKEYS_REQUIRE=1 go test -race -shuffle=on ./...
