package run

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mlx/internal/fault"
)

// Rank is a process of a run beside the one that is recorded: the same command with another rank. What it writes lies in
// its folder, as in that of a run.
type Rank struct {
	Command []string
	Dir     string
	Env     []string
	Folder  string
	Stdout  io.Writer // where its output is shown as it comes; nil is nowhere
	Stops   <-chan Stop
	Signals <-chan os.Signal
	Secrets Mask
	Host    string
	Now     func() time.Time
	Environ []string // of this process

	kept logLimits // zero is the usual
}

// RankEnd is how it ended.
type RankEnd struct {
	State   State  `json:"state"`
	Cause   string `json:"cause,omitempty"`
	Status  int    `json:"status"`
	Tail    string `json:"tail,omitempty"`    // its last lines, where it failed
	Stopped bool   `json:"stopped,omitempty"` // it was told to end: what failed was another one

	Drawn []Drawn `json:"drawn,omitempty"` // electricity of the machine, meanwhile
}

// maxTail is how much of the output of a rank that failed is told.
const maxTail = 600

// Execute runs it to its end. An error says that it did not start. What an earlier attempt left in its folder goes.
func (k Rank) Execute() (RankEnd, error) {
	removeFolder(k.Folder)
	if err := makeFolder(k.Folder); err != nil {
		return RankEnd{}, fault.New(fault.KindOf(err), "cannot start a rank: %w", err)
	}
	end, err := order{
		argv: k.Command, dir: k.Dir, env: k.Env, stdout: k.Stdout, stderr: k.Stdout, signals: k.Signals, stops: k.Stops, host: k.Host,
		folder: k.Folder, kept: k.kept, mask: k.Secrets, now: Runner{Now: k.Now}.clock(),
		base: k.Environ,
	}.execute()
	if err != nil {
		return RankEnd{}, err
	}
	e := RankEnd{Status: statusOf(end), Stopped: end.stop != nil, Drawn: end.drawn}
	e.State, e.Cause = end.verdict(0)
	_, _, err = closeLog(k.Folder, k.kept.orUsual())
	if err == nil && e.State != Succeeded {
		e.Tail = tailOf(filepath.Join(k.Folder, outputName))
	}
	return e, nil
}

// tailOf returns the last lines of a file.
func tailOf(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	b, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-maxTail), maxTail))
	if err != nil {
		return ""
	}
	s := text(strings.TrimSpace(string(b)))
	if _, rest, cut := strings.Cut(s, "\n"); cut && info.Size() > maxTail {
		s = rest
	}
	return s
}
