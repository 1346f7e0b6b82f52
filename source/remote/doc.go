// Package remote reads keys from an HTTPS endpoint.
package remote
