//go:build !windows

package train

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestAProgramThatWasJustWrittenStarts: also while other processes come into being, which have its file open until they become what
// they will be.
func TestAProgramThatWasJustWrittenStarts(t *testing.T) {
	var others sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		others.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					_ = exec.Command("true").Run() // it is only there to be started
				}
			}
		})
	}
	defer others.Wait()
	defer close(done)
	dir := t.TempDir()
	for i := range 100 {
		self := filepath.Join(dir, "self")
		if err := os.WriteFile(self, fmt.Appendf(nil, "#!/bin/sh\nexec cat # %d\n", i), 0o600); err != nil {
			t.Fatal(err)
		}
		h := &Host{Dir: filepath.Join(dir, "node"), Self: self}
		c, err := h.connect(t.Context(), "serve")
		if err != nil {
			t.Fatalf("program %d: %v", i, err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("program %d: %v", i, err)
		}
	}
}

// TestWhatCannotBeStartedIsNamed: no connection was lost where none began.
func TestWhatCannotBeStartedIsNamed(t *testing.T) {
	self := filepath.Join(t.TempDir(), "self")
	if err := os.WriteFile(self, []byte("no program\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	node := filepath.Join(t.TempDir(), "node")
	for _, c := range []struct {
		host *Host
		want string
	}{
		{&Host{Dir: node, Self: self}, "cannot start " + node},
		{&Host{Name: "box", Dir: "/node", SSH: []string{self}, Self: selfOf(t)}, "cannot start " + self + " to reach box"},
	} {
		if _, err := c.host.connect(t.Context(), "serve"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v does not say %q", err, c.want)
		}
	}
}
