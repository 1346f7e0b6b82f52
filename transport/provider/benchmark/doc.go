// Package benchmark compares the signing for Binance with go-binance, in one run:
//
//	go test -bench . -benchmem
//
// "whole call" compares all code of go-binance, from an order's parameters to its
// decoded answer over a RoundTripper that answers at once, with an http.Client over the
// project's transport. The other rows are one signature each. go-binance does not
// export its signing, so the benchmark repeats it with the functions that are exported.
//
// The package is a module of its own, so that the core does not require go-binance.
package benchmark
