//go:build unix

package local

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/folder"
)

// TestStagesOfWhatWasKilledEnd: a server of stages is killed, and before it is started again it is not to run any more: what it has left of its
// stages does not go on.
func TestStagesOfWhatWasKilledEnd(t *testing.T) {
	dir := t.TempDir()
	rel := deploy.Release{Key: "0123456789abcdef", Serve: deploy.Serve{Command: "exit 3", Start: time.Minute, Stop: time.Second}, Stages: []deploy.ReleaseStage{{Name: "small"}}}
	o := Options{Dir: dir, Now: time.Now, Environ: os.Environ()}
	for _, name := range []string{filepath.Join(dir, logsName), filepath.Join(dir, serversName), filepath.Join(StageDir(dir, rel.Key, 1), serversName)} {
		if err := os.MkdirAll(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	stage := exec.Command("sleep", "600")
	stage.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := stage.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = stage.Wait(); close(ended) }()
	t.Cleanup(func() { _ = stage.Process.Kill(); <-ended })
	note := noted{Key: rel.Key, N: 1, Process: identity{stage.Process.Pid, startOf(stage.Process.Pid)}}
	if err := folder.WriteJSON(filepath.Join(StageDir(dir, rel.Key, 1), serversName, "small-1.json"), note); err != nil {
		t.Fatal(err)
	}

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	again := make(chan struct{}, 100)
	s := &server{o: o, release: rel, n: 1, place: Place{Dir: dir}, quiet: func(string) {}, changed: func() { again <- struct{}{} }}
	kept := make(chan struct{})
	go func() { defer close(kept); s.keep(ctx) }()
	for {
		<-again
		s.mu.Lock()
		failed := s.restarts > 0
		s.mu.Unlock()
		if failed {
			break
		}
	}
	stop()
	<-kept
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("the server of its stage goes on")
	}
}

// TestWhatFewerServersHaveCounted: the counts of servers that do not run any more stay those of their release.
func TestWhatFewerServersHaveCounted(t *testing.T) {
	dir, key := t.TempDir(), "0123456789abcdef"
	for n := 1; n <= 3; n++ {
		if err := os.MkdirAll(StageDir(dir, key, n), 0o700); err != nil {
			t.Fatal(err)
		}
		counted := []deploy.SeenStage{{Name: "small", Requests: int64(10 * n), Decided: int64(n), Ready: 1, Restarts: 2, Trouble: "it ended"}}
		if err := folder.WriteJSON(CountsOf(StageDir(dir, key, n)), counted); err != nil {
			t.Fatal(err)
		}
	}
	if got := countsBehind(dir, key, 1); len(got) != 1 || got[0].Requests != 50 || got[0].Decided != 5 || got[0].Ready != 0 || got[0].Restarts != 0 || got[0].Trouble != "" {
		t.Errorf("servers 2 and 3 have counted %+v", got)
	}
	if got := countsBehind(dir, key, 3); got != nil {
		t.Errorf("behind the last one is %+v", got)
	}
}
