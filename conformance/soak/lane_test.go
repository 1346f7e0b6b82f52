package soak_test

import "fmt"

// A lane is a protocol, with odd answers or without. Each lane has tracks of its own.
type lane struct {
	http2 bool
	odd   float64 // the share of attempts with good keys that the server refuses all the same
}

// newLanes returns the four lanes.
func newLanes(odd float64) []lane { return []lane{{false, 0}, {false, odd}, {true, 0}, {true, odd}} }

func (l lane) String() string {
	name := "HTTP/1.1"
	if l.http2 {
		name = "HTTP/2"
	}
	if l.odd > 0 {
		name += fmt.Sprintf(", %.2g %% odd", 100*l.odd)
	}
	return name
}

// major returns the major version of the lane's protocol.
func (l lane) major() int {
	if l.http2 {
		return 2
	}
	return 1
}
