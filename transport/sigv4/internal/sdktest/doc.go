// Package sdktest holds package sigv4 against clients of the AWS SDK for Go v2, in a
// module of its own, so that they are no dependency of its users.
package sdktest
