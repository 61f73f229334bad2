package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/run"
)

// factsAsked is what is being found out about this node beside the command.
type factsAsked struct {
	host string
	tmp  string // temporary folder for the command, where the usual one cannot hold programs
	job  *agentJob

	done   chan struct{}
	cancel context.CancelFunc
	texts  run.NodeTexts
	own    []run.NodeFact
}

// askFacts begins to find out. Nothing waits for it but answer.
func (j *agentJob) askFacts(ctx context.Context) *factsAsked {
	ctx, cancel := context.WithCancel(ctx)
	f := &factsAsked{host: j.app.host(), job: j, done: make(chan struct{}), cancel: cancel}
	f.folders()
	go func() {
		defer close(f.done)
		f.texts = run.AskNode(ctx, j.app.environ)
	}()
	return f
}

// folders looks at those that commands take for granted.
func (f *factsAsked) folders() {
	add := func(what, format string, args ...any) {
		f.own = append(f.own, run.NodeFact{What: what, Text: fmt.Sprintf(format, args...), Bad: true})
	}
	tmp := os.TempDir()
	if run.NoExec(tmp) {
		f.tmp = filepath.Join(f.job.work, "tmp")
		if err := os.MkdirAll(f.tmp, 0o700); err != nil {
			f.tmp = ""
		}
		add("tmp", "%s cannot hold programs (noexec): TMPDIR is %s", tmp, f.tmp)
	}
	home, err := os.UserHomeDir()
	for _, dir := range []string{home, tmp, f.job.root} {
		if err != nil && dir == home {
			continue
		}
		if free, full := run.NearlyFull(dir); full {
			add("disk", "%s is nearly full: %s free", dir, cli.FormatBytes(free))
		}
	}
}

// answer waits for what is being found out, and adds what the kernel says of the time since.
func (f *factsAsked) answer() []run.NodeFact {
	if f == nil {
		return nil
	}
	<-f.done
	f.texts.Kernel = run.KernelLog()
	all := append(f.own[:len(f.own):len(f.own)], f.texts.Facts()...)
	if fact, ok := run.FrameworkFact(f.packages(), f.texts.Banner); ok {
		all = append(all, fact)
	}
	for i := range all {
		all[i].Host = f.host
	}
	if w := f.job.warnedAt(); w != "" {
		all = append(all, run.NodeFact{Host: f.host, What: "warning", Text: w})
	}
	return all
}

func (f *factsAsked) end() { f.cancel() }

// packages is the list of packages of the environment that the command had, empty where there is none.
func (f *factsAsked) packages() string {
	if f.job.packages.IsZero() {
		return ""
	}
	store, err := f.job.in.store()
	if err != nil {
		return ""
	}
	files, err := store.FS(context.Background(), f.job.packages)
	if err != nil {
		return ""
	}
	text, err := fs.ReadFile(files, run.PackagesName)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// warnedSince says whether the backend has warned since then.
func (j *agentJob) warnedSince(then time.Time) bool {
	j.telling.Lock()
	defer j.telling.Unlock()
	return j.told.Warned != nil && !j.told.Warned.Before(then)
}

// warnedAt says when the backend warned, if it did.
func (j *agentJob) warnedAt() string {
	j.telling.Lock()
	defer j.telling.Unlock()
	if j.told.Warned == nil {
		return ""
	}
	return "the backend warned at " + j.told.Warned.Format("15:04:05") + " UTC that it would end the job"
}
