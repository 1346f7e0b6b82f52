//go:build !all

package sdks

// complete says that every SDK is in the build.
const complete = false
