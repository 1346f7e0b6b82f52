package spell_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/rollingkeys/rollingkeys/source/internal/spell"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) } // F104

// F152, F155
func TestMeant(t *testing.T) {
	known := []string{"id", "secret", "secrets", "expires_at", "overlap", "poll"}
	for name, want := range map[string]string{
		"overlapp": "overlap", "overlp": "overlap", "overlab": "overlap", "voerlap": "overlap", "OVERLAP": "overlap", "pol": "poll", "pool": "poll",
		"expiresAt": "expires_at", "expires-at": "expires_at", "expires": "expires_at", "expires_at_": "expires_at", "expire_at": "expires_at",
		"ſecret": "secret", "Secret": "secret", "ID": "id", "Id": "id",
		"secret": "", "secrets": "", "id": "", "kid": "", "ip": "", "i": "", "": "", "name": "", "overlappp": "", "expiry": "", "lapover": "",
	} {
		if got := spell.Meant(name, known); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
