// Package sdktest tests package sigv4 with clients of the AWS SDK for Go v2. It is a
// module of its own, so that users of sigv4 do not require these clients.
package sdktest
