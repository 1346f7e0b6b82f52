// Package sdktest tests package azcred and the project's transport with clients of the
// Azure SDK for Go. It is a module of its own, so that users of azcred do not require
// these clients.
package sdktest
