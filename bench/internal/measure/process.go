// Package measure hides how a cost is taken: CPU seconds and peak memory of a whole process tree from the kernel's own
// accounting, and sizes from the file system. Wall time is kept but never judged, because machines are shared.
package measure

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// MiB and GiB are units of memory and of data.
const (
	MiB = 1 << 20
	GiB = 1 << 30
)

// Command is one program to run.
type Command struct {
	Dir  string
	Env  []string // added to this process's own
	Args []string
	OK   []int // statuses that are no failure beside 0
	Out  io.Writer
	Err  io.Writer // gets a copy of what it says on stderr
}

// Cost is what a command took. PeakBytes is that of its largest process; it starts at this program's own size,
// because the kernel counts a child from before it becomes the other program.
type Cost struct {
	CPU       float64 // seconds, user and system, of the command and every child it waited for
	Wall      float64 // seconds
	PeakBytes int64
	Status    int
}

// PeakMiB is PeakBytes in MiB.
func (c Cost) PeakMiB() float64 { return float64(c.PeakBytes) / MiB }

// Run runs c to its end. An error means that c could not run or ended with a status that is not expected.
func Run(c Command) (Cost, error) {
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout = c.Dir, append(os.Environ(), c.Env...), c.Out
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if c.Err != nil {
		cmd.Stderr = io.MultiWriter(&stderr, c.Err)
	}
	start := time.Now()
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return Cost{}, fmt.Errorf("cannot run %s: %w", c.Args[0], err)
	}
	state := cmd.ProcessState
	cost := Cost{
		CPU:       (state.UserTime() + state.SystemTime()).Seconds(),
		Wall:      time.Since(start).Seconds(),
		PeakBytes: peak(state),
		Status:    state.ExitCode(),
	}
	for _, ok := range append(c.OK, 0) {
		if cost.Status == ok {
			return cost, nil
		}
	}
	text := strings.TrimSpace(stderr.String())
	if len(text) > 2000 {
		text = text[len(text)-2000:]
	}
	return cost, fmt.Errorf("%s: status %d: %s", strings.Join(c.Args, " "), cost.Status, text)
}

// Lowest runs c n times, calling before (if not nil) ahead of each, and returns the run that took least CPU: noise of a
// shared machine only ever adds.
func Lowest(n int, before func() error, c Command) (Cost, error) {
	var best Cost
	for i := range n {
		if before != nil {
			if err := before(); err != nil {
				return best, err
			}
		}
		cost, err := Run(c)
		if err != nil {
			return best, err
		}
		if i == 0 || cost.CPU < best.CPU {
			best = cost
		}
	}
	return best, nil
}
