package main

import "testing"

func TestEmbed(t *testing.T) {
	if err := run(t.Context()); err != nil {
		t.Fatal(err)
	}
}
