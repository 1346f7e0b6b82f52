# make test installs what the tests need and runs them. CONTRIBUTING.md explains
# the other targets.

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: test check unit deps faults soak fuzz bench bench-sources peers sdks mutants test-kubernetes outdated

# Two at a time: the network is slow, and most tests wait most of the time.
test:
	@$(MAKE) --no-print-directory -j2 deps check
	@$(MAKE) --no-print-directory -j2 unit fuzz FUZZTIME=5000x

# The servers that tests start, from Debian. On other systems install them by hand.
deps:
	@./.ci/install nginx-light:nginx haproxy:haproxy caddy:caddy redis-server:redis-server

check: faults
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'gofmt: the files above'; exit 1; }
	@./.ci/check $(STATICCHECK)

unit:
	@./.ci/test

# The tests that prove the absence of each known fault.
faults:
	@go run ./.ci/faults

# Rotations and faults at random; the same SEED repeats a run. With REQUESTS or
# ROTATIONS it ends when both are reached, after DURATION at the latest. The clients
# then send without a pause, so it runs without -race: the soak of make test has that.
soak: deps
	GOGC=400 go test $(if $(REQUESTS)$(ROTATIONS),,-race) ./conformance/soak -run TestSoak -count=1 -timeout 0 -v -args \
		$(if $(REQUESTS)$(ROTATIONS)$(DURATION),,-duration=10m) $(if $(DURATION),-duration=$(DURATION)) \
		$(if $(REQUESTS),-requests=$(REQUESTS)) $(if $(ROTATIONS),-rotations=$(ROTATIONS)) $(if $(SEED),-seed=$(SEED))

fuzz:
	@FUZZTIME=$(or $(FUZZTIME),500000x) ./.ci/fuzz

# Each measured figure beside its target.
bench:
	@./.ci/bench

# For each source, the time from the rotation in the store to the first attempt
# with the new key.
bench-sources: deps
	@./.ci/bench-sources

# Writes the comparison with other RoundTrippers from a run of the suite.
peers:
	cd conformance/peers && GOWORK=off go test -count=1 -run . -timeout 20m . -update

# Runs every SDK over the transport and writes the page about them. The first
# build takes minutes.
sdks:
	@./.ci/check $(STATICCHECK) conformance/sdks all
	cd conformance/sdks && GOWORK=off go test -race -tags all -count=1 -timeout 30m . -update

# Breaks the code in one place at a time: a test must fail in each of RUNS runs.
mutants:
	go run ./.ci/mutants -runs $(or $(RUNS),3)

# The Kubernetes source against a real API server. The first build takes minutes.
test-kubernetes:
	@./.ci/check $(STATICCHECK) source/kubernetes/internal/apiserver apiserver
	cd source/kubernetes/internal/apiserver && GOWORK=off go test -tags apiserver -count=1 -timeout 20m -v -bench Rotation -benchtime 200x .

# The dependencies that have a newer version, by module.
outdated:
	@./.ci/outdated
