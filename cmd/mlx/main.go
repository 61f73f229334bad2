// Command mlx keeps versions of data, what ran on them, what came out and whether it passed.
//
// This package is the composition root: it alone reads the clock, the environment and the terminal, and wires the
// libraries of the lower floors into commands. One file is one command.
package main

import (
	"context"
	"math"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // days begin somewhere also where the system has no zones

	"mlx/internal/cli"
	"mlx/internal/dataset"
)

func main() {
	if ownMemory() {
		debug.SetGCPercent(200)         // most commands end before they have garbage worth collecting
		debug.SetMemoryLimit(272 << 20) // at a million files there is: it must not double the memory
	}
	os.Exit(status(os.Args[1:]))
}

// status is the process without its exit: words in, status out.
func status(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // a second interrupt ends the process at once
	a := newApp(args, cli.Open(os.Stdin, os.Stdout, os.Stderr, os.Getenv))
	return a.execute(ctx)
}

// ownMemory says whether nobody else has decided how much memory this process may have.
func ownMemory() bool { return os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" }

// smallTables is up to where the files of a table are read before garbage is worth collecting.
const smallTables = 1 << 20

// readTable is for commands that read a whole table: the buffers of readers are large, and few are made anew.
func readTable(files []dataset.File) {
	var total int64
	for _, f := range files {
		if total += f.Size; f.Size < 0 { // nobody knows
			total = math.MaxInt64
			break
		}
	}
	if total > smallTables && ownMemory() {
		debug.SetGCPercent(40)
		debug.SetMemoryLimit(176 << 20) // from where on garbage is collected at once
	}
}

// readColumns is readTable for commands that have whole columns in work, and use their memory again: garbage is collected when much more
// than those is held.
func readColumns(files []dataset.File) {
	readTable(files)
	if before := debug.SetGCPercent(100); before != 40 { // it is a small one, or somebody else decides
		debug.SetGCPercent(before)
		return
	}
	debug.SetMemoryLimit(64 << 20)
}

// readCells is readTable for a profile, whose file unpacks to a hundred times its size.
func readCells(profile dataset.File) {
	if profile.Size > smallTables/16 && ownMemory() {
		debug.SetGCPercent(40)
		debug.SetMemoryLimit(80 << 20)
	}
}

// countCells is for a table that is compared with a profile: it is profiled itself, and holds more than the columns of two tables.
func countCells(ref, cur *dataset.Profile) {
	if (ref == nil) != (cur == nil) && ownMemory() {
		debug.SetMemoryLimit(176 << 20)
	}
}
