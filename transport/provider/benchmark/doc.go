// Package benchmark holds signing for Binance against go-binance, in one run:
//
//	go test -bench . -benchmem
//
// "whole call" is all of go-binance's own code, from an order's parameters to its
// decoded answer over a RoundTripper that answers at once, against an http.Client
// over our transport. The other rows are one signature each; go-binance's is not
// exported, and repeated here over the functions of it that are.
//
// It is a module of its own, so that the core does not require its peer.
package benchmark
