//go:build all

package sdks

// complete says whether the build has every SDK.
const complete = true
