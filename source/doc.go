// Package source says where API keys come from, and keeps them fresh.
//
// A [Source] reads keys from one place: a file, an endpoint, a secrets manager.
// [Keep] keeps what it lists live in a [Ring], which a transport draws from.
package source
