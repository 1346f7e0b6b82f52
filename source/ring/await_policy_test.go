package ring

import (
	"strings"
	"testing"
)

// What a connection logs in with, one history a row: see play for the words.
//
// F137
func TestPolicyRowsOfConnections(t *testing.T) {
	for _, row := range []struct{ name, versions, script string }{
		{"no connection yet", "v1", "a@:v1 a+ b@v1:-"},
		{"a switch", "v1", "a@:v1 a+ [v2,v1] b@v1:v2 b+ c@v2:-"},
		{"the new key is refused, and tried again when its pauses are over", "v1",
			"a@:v1 a+ [v2,v1] b@v1:v2 b! use=v1 c@v1:- 900ms c@v1:- 100ms c@v1:v2 c! 1900ms d@v1:- 100ms d@v1:v2 d+ use=v2 e@v2:-"},
		{"one probes for all", "v1", "a@:v1 a+ [v2,v1] b@v1:v2 b! 1s c@v1:v2 d@v1:- e=v1 c+ d@v1:v2"},
		{"requests probe for it", "v1", "a@:v1 a+ [v2,v1] b@v1:v2 b! 1s c=v2 d@v1:- c+ d@v1:v2"},
		{"a probe without an answer", "v1", "a@:v1 a+ [v2,v1] b@v1:v2 b! 1s c@v1:v2 c? 900ms d@v1:- 100ms d@v1:v2"},
		{"requests fall back, and so does it", "v2,v1", "a@:v2 a+ r=v2 r>v1 r+ use=v1 b@v2:v1 b+ c@v1:-"},
		{"its version is gone", "v2,v1", "a@:v2 [v1] b@:v1"},
		{"a held key is not hammered", "v1", "a@:v1 a+ [v2,v1] b@v1:v2 b! [v2] c@v1:- 900ms c@v1:- 100ms c@v1:v2 c! 1900ms c@v1:- 100ms c@v1:v2"},
		{"nor without a connection", "v1", "a@:v1 a! b@:- 1s b@:v1 b! 1900ms c@:- 100ms c@:v1 c+"},
		{"all are refused: each once a pause", "v2,v1", "a@:v2 a>v1 a>- b@:- 1s b@:v2 b>v1 b+ use=v1"},
		{"lockout: only a probe", "v1", "a@:v1 a! b@:- 19900ms b@:- 100ms b@:v1 c@:- b+ c@:v1"},
		{"lockout: no login anew with the same key", "v1", "a@:v1 a! 20s b@v1:-"},
		{"lockout: a switch ends it", "v1", "a@:v1 a! b@v1:- [v2] b@v1:v2"},
	} {
		t.Run(row.name, func(t *testing.T) {
			newRig(strings.HasPrefix(row.name, "lockout:"), strings.Split(row.versions, ",")...).play(t, row.script)
		})
	}
}
