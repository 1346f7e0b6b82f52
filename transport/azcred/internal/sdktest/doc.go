// Package sdktest holds package azcred, and the project's transport, against clients of
// the Azure SDK for Go, in a module of its own, so that they are no dependency of its
// users.
package sdktest
