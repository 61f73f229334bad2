package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// heardSoFar is what a process prints, as it does.
type heardSoFar struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *heardSoFar) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(b)
}

func (w *heardSoFar) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// beside is a program that runs beside the test.
type beside struct {
	p            *somebody
	cmd          *exec.Cmd
	out, problem heardSoFar
	ended        chan error
	gone         atomic.Bool // somebody has waited for its end
}

// begin starts a program in a folder.
func (p *somebody) begin(dir string, words ...string) *beside {
	p.t.Helper()
	return p.started(p.command(dir, words...))
}

// started starts a program.
func (p *somebody) started(cmd *exec.Cmd) *beside {
	p.t.Helper()
	b := &beside{p: p, cmd: cmd, ended: make(chan error, 1)}
	b.cmd.Stdout, b.cmd.Stderr = &b.out, &b.problem
	if err := b.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() { b.ended <- b.cmd.Wait() }()
	return b
}

// end waits for the end of the program and returns its status.
func (b *beside) end() int {
	b.p.t.Helper()
	defer b.gone.Store(true)
	select {
	case err := <-b.ended:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			b.p.t.Fatal(err)
		}
	case <-time.After(time.Minute):
		_ = b.cmd.Process.Kill() // it may end just now
		b.p.t.Fatalf("%q does not end\n%s%s", b.cmd.Args, b.out.String(), b.problem.String())
	}
	return b.cmd.ProcessState.ExitCode()
}

// until waits until something holds.
func (p *somebody) until(what string, holds func() bool) {
	p.t.Helper()
	for began := time.Now(); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			p.t.Fatalf("it never came to this: %s", what)
		}
	}
}

// says waits until the program has said some words on stderr.
func (b *beside) says(words string) {
	b.p.t.Helper()
	began := time.Now()
	b.p.until("it says "+words, func() bool { return strings.Contains(b.problem.String(), words) || time.Since(began) > 50*time.Second })
	if text := b.problem.String(); !strings.Contains(text, words) {
		b.p.t.Fatalf("it does not say %q, but %s", words, text)
	}
}

// there says whether a file is.
func (p *somebody) there(name ...string) bool {
	_, err := os.Stat(p.path(name...))
	return err == nil
}
