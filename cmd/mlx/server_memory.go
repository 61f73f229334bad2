package main

import (
	"context"
	"math"
	"runtime/debug"
	"time"
)

// restAfter is how long no call must have come before a server gives back what it does not need.
const restAfter = 5 * time.Second

// stayLean is for a process that lasts: other commands end before they have garbage worth collecting. There is no limit, since what
// is needed to answer grows with the repository, and a process at its limit does nothing but collect.
func stayLean(ctx context.Context, calls func() int64) {
	if !ownMemory() {
		return
	}
	debug.SetGCPercent(40)
	debug.SetMemoryLimit(math.MaxInt64)
	ticks := time.NewTicker(restAfter)
	context.AfterFunc(ctx, ticks.Stop)
	go rest(ctx, ticks.C, calls, debug.FreeOSMemory)
}

// rest frees memory once whenever no call came between two ticks, after some had come.
func rest(ctx context.Context, ticks <-chan time.Time, calls func() int64, free func()) {
	var seen, freed int64
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
		}
		now := calls()
		if now == seen && now != freed {
			free()
			freed = now
		}
		seen = now
	}
}
