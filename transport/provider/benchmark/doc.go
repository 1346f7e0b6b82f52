// Package benchmark holds one Binance HMAC signature against go-binance's, in
// one run:
//
//	go test -bench . -benchmem
//
// It is a module of its own, so that the core does not require its peer.
package benchmark
