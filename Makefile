# make test passes the tests; everything it needs it installs. The rest is for
# those who work on it: see CONTRIBUTING.md.

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: test check unit deps faults soak fuzz bench bench-sources peers sdks mutants test-kubernetes

test: deps check unit

# Debian's servers, for the tests that start them. Elsewhere install them by hand.
deps:
	@./.ci/install nginx-light:nginx haproxy:haproxy caddy:caddy redis-server:redis-server

check: faults
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'gofmt: the files above'; exit 1; }
	@./.ci/check $(STATICCHECK)

unit:
	@FUZZTIME=5000x ./.ci/fuzz
	@./.ci/test

# Which test proves which fault.
faults:
	@go run ./.ci/faults

# Rotations and faults at random; the seed of an earlier run repeats it.
soak: deps
	go test -race ./conformance/soak -run TestSoak -count=1 -timeout 0 -v -args -duration=$(or $(DURATION),10m) $(if $(SEED),-seed=$(SEED))

fuzz:
	FUZZTIME=$(or $(FUZZTIME),500000x) ./.ci/fuzz

# What is measured beside what is aimed at.
bench:
	@./.ci/bench

# Rotated in the store -> first attempt with the new key, for each source.
bench-sources: deps
	@./.ci/bench-sources

# The comparison with other RoundTrippers, made anew from a run of the suite.
peers:
	cd conformance/peers && GOWORK=off go test -count=1 -run . -timeout 20m . -update

# Every SDK over the transport, and the page of them made anew. The first build
# takes minutes.
sdks:
	@./.ci/check $(STATICCHECK) conformance/sdks all
	cd conformance/sdks && GOWORK=off go test -race -tags all -count=1 -timeout 30m . -update

# The code broken on purpose: a test must notice each time.
mutants:
	go run ./.ci/mutants

# The Kubernetes source against a real API server, whose first build takes minutes.
test-kubernetes:
	@./.ci/check $(STATICCHECK) source/kubernetes/internal/apiserver apiserver
	cd source/kubernetes/internal/apiserver && GOWORK=off go test -tags apiserver -count=1 -timeout 20m -v -bench Rotation -benchtime 200x .
