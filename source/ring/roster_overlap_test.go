package ring

import "testing"

// The overlap of a key runs from the first acceptance of its successor. Until then it is
// kept, for as long as it may be the only key that the server accepts.
//
// F129
func TestRosterKeepsTheKeyThatIsAccepted(t *testing.T) {
	for _, row := range []struct{ name, script string }{
		{"a wrong key", "(v1=a) +v1 (v2=b) !v2 +v1 1000h roles=v2:current,v1:previous"},
		{"a wrong key, and another", "(v1=a) +v1 (v2=b) !v2 1h (v3=c) !v3 1000h roles=v3:current,v2:previous,v1:previous"},
		{"two wrong keys, and the right one", "(v1=a) +v1 (v2=b) !v2 (v3=c) !v3 100h (v4=d) +v4 23h roles=v4:current,v3:previous,v2:previous,v1:previous 1h roles=v4:current"},
		{"a wrong key, and the old one again", "(v1=a) +v1 (v2=b) !v2 100h (v1=a)= roles=v1:current,v2:previous +v1 24h roles=v1:current"},
		{"a key that no request was sent with", "(v1=a) +v1 (v2=b) 1000h roles=v2:current,v1:previous +v2 23h roles=v2:current,v1:previous 1h roles=v2:current"},
		{"what was accepted behind a wrong key", "(v1=a) +v1 (v2=b) (v3=c) !v3 +v2 24h roles=v3:current,v2:previous 1000h roles=v3:current,v2:previous"},
		{"not what only an older key stands for", "(v1=a) +v1 (v2=b) +v2 1h (v3=c,v1=a) !v3 100h roles=v3:current,v1:previous,v2:previous"},
		{"not what was accepted before it was current again", "(v1=a) (v2=b) +v2 (v1=a+30s)= (v3=c) (v2=b)= 1h +v2 23h roles=v2:current,v3:previous,v1:previous 1h roles=v2:current"},
		{"the successor is refused when the overlap ends", "(v1=a) +v1 (v2=b) +v2 !v2 +v1 100h roles=v2:current,v1:previous +v2 roles=v2:current"},
		{"the successor expires", "(v1=a) (v2=b-2h) +v2 2h roles=v2:retired,v1:current 1000h roles=v2:retired,v1:current"},
		{"the successor is revoked", "(v1=a) (v2=b) +v2 -v2 roles=v2:retired,v1:current 1000h roles=v2:retired,v1:current"},
		{"all are refused", "(v1=a) +v1 (v2=b) !v2 !v1 1000h roles=v2:current,v1:previous"},

		// A source with a history does not say when a key ends.
		{"a history with a wrong key", "(v2=b,v1=a<-100h) !v2 +v1 1000h (v2=b,v1=a<-1100h)= roles=v2:current,v1:previous"},
		{"a history with a wrong key, back to a marker", "[v2=b,v1=a<-100h] !v2 +v1 1000h [v2=b,v1=a<-1100h]= roles=v2:current,v1:previous"},
		{"a history that gets a wrong key", "(v1=a) +v1 (v2=b,v1=a<-0s) !v2 100h (v2=b,v1=a<-100h)= roles=v2:current,v1:previous"},
		{"a history with a wrong key, and the right one", "(v2=b,v1=a<-100h) !v2 +v1 (v3=c,v2=b<-0s,v1=a<-100h) +v3 23h roles=v3:current,v2:previous,v1:previous 1h roles=v3:current"},
		{"a history that loses the key", "(v2=b,v1=a<-100h) !v2 +v1 (v3=c,v2=b<-0s) !v3 100h roles=v3:current,v2:previous,v1:previous"},
		{"a history before the ring", "(v2=b,v1=a<-23h,v0=z<-24h) roles=v2:current,v1:previous,v0:previous +v2 roles=v2:current,v1:previous 59m roles=v2:current,v1:previous 1m roles=v2:current"},
		{"a key that has been current here", "(v1=a) (v2=b,v1=a<-0s) 100h +v2 23h roles=v2:current,v1:previous 1h roles=v2:current"},
		{"a history by another clock", "(v2=b,v1=a<1h) +v2 23h roles=v2:current,v1:previous 1h roles=v2:current"},
		{"a key that is over does not come back", "(v2=b,v1=a<-24h) +v2 roles=v2:current (v2=b,v1=a<-24h)= !v2 (v2=b,v1=a<-24h)= roles=v2:current 1h (v2=b,v1=a<-25h)= roles=v2:current"},
		{"unless it is put again", "(v2=b,v1=a<-24h) +v2 (v1=a,v2=b<-0s) roles=v1:current,v2:previous (v3=c,v1=a<-0s,v2=b<-0s) +v3 roles=v3:current,v1:previous,v2:previous"},
		{"also if the ring missed that", "(v2=b,v1=a<-24h) +v2 1h (v3=c,v1=a<-0s,v2=b<-1h) roles=v3:current,v1:previous,v2:previous"},
		{"nor does one that expired", "(v2=b,v1=a<-1h-1h) 1h (v2=b,v1=a<-2h-0s)= roles=v2:current"},

		// What ends it all the same.
		{"its expiry", "(v1=a-48h) (v2=b) !v2 47h roles=v2:current,v1:previous 1h roles=v2:current"},
		{"its expiry, although it expired together with its successor", "(v1=a-1h) (v2=b-1h) !v2 1h roles=v2:retired"},
		{"its revocation", "(v1=a) (v2=b) !v2 -v1 roles=v2:current,v1:retired"},
		{"its revocation by the source", "(v1=a) (v2=b) !v2 (v2=b;v1) roles=v2:current,v1:retired"},
		{"a complete set", "[v1=a] +v1 [v2=b] roles=v2:current"},
	} {
		t.Run(row.name, func(t *testing.T) { newRosterRig().play(t, row.script) })
	}
	g := newRosterRig()
	g.overlap = 0 // not at all
	g.play(t, "(v1=a) +v1 (v2=b) roles=v2:current (v3=c,v2=b<-0s,v1=a<-0s) roles=v3:current (v3=c,v2=b<-0s,v1=a<-0s)= said=switched:v1,overlap_ended:v1,switched:v2,overlap_ended:v2,switched:v3")
}
