package main

import (
	"context"
	"testing"
	"time"
)

// A server frees memory once after calls came and no more do, and not while they come.
func TestServerRests(t *testing.T) {
	for _, c := range []struct {
		name  string
		calls []int64 // that had come at each tick
		freed int
	}{
		{"nobody ever calls", []int64{0, 0, 0}, 0},
		{"calls come all the time", []int64{1, 2, 3, 4}, 0},
		{"calls came", []int64{5, 9, 9, 9, 9}, 1},
		{"calls come again", []int64{5, 5, 6, 6, 6}, 2},
	} {
		ctx, stop := context.WithCancel(context.Background())
		ticks, at, freed := make(chan time.Time, len(c.calls)), 0, 0
		for range c.calls {
			ticks <- time.Time{}
		}
		rest(ctx, ticks, func() int64 {
			if at++; at == len(c.calls) {
				stop()
			}
			return c.calls[at-1]
		}, func() { freed++ })
		if at != len(c.calls) || freed != c.freed {
			t.Errorf("%s: freed %d times after %d ticks, want %d after %d", c.name, freed, at, c.freed, len(c.calls))
		}
	}
}
