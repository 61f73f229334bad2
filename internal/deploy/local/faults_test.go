//go:build unix

package local

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/folder"
)

// gone says whether a process has ended.
func gone(pid int) bool { return startOf(pid) == "" }

// TestServersThatNobodyStoppedAreStopped kills a supervisor between what it was told and what it does.
func TestServersThatNobodyStoppedAreStopped(t *testing.T) {
	b := newBench(t)
	b.begin()
	a, old := releaseOf("a"), releaseOf("f")
	b.want(wanted(1, old))
	b.awaitReady(old.Key, 1)
	server := b.pid()
	_ = b.current.Process.Kill()
	_ = b.current.Wait()
	if err := folder.WriteJSON(filepath.Join(b.dir, armsName), wanted(1, a)); err != nil {
		t.Fatal(err)
	}
	b.begin()
	b.awaitReady(a.Key, 1)
	b.await("the server that nobody wants is stopped", func() bool { return gone(server) })
	b.await("and its note is gone", func() bool {
		notes, err := filepath.Glob(filepath.Join(b.dir, serversName, shortKey(old.Key)+"-*"))
		return err == nil && len(notes) == 0
	})
	b.want(wanted(1, a, old))
	b.awaitReady(old.Key, 1)
}

// TestAServerThatEndsIsNotTakenForOneThatGoesOn wants a release again while its server is being stopped.
func TestAServerThatEndsIsNotTakenForOneThatGoesOn(t *testing.T) {
	b := newBench(t)
	b.begin()
	a := releaseOf("a", "SLOW_END=1")
	b.want(wanted(1, a))
	b.awaitReady(a.Key, 1)
	server := b.pid()
	b.want(wanted(1))
	b.want(wanted(1, a))
	b.awaitReady(a.Key, 1)
	if now := b.pid(); now == server || !gone(server) {
		t.Errorf("server %d, which is being stopped, counts as ready: %d answers", server, now)
	}
	if r := b.running(); r.Arms[0].Restarts != 0 {
		t.Errorf("it is %+v", r)
	}
}

// TestARouterThatNeverAnsweredIsFound kills a supervisor while its router starts. That router holds the socket.
func TestARouterThatNeverAnsweredIsFound(t *testing.T) {
	b := newBench(t)
	hangs := filepath.Join(b.dir, routerHangs)
	if err := os.WriteFile(hangs, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	self, _ := os.Executable()
	first := exec.Command(self, b.dir, b.listen)
	first.Env = append(os.Environ(), "LOCAL_TEST_MAIN=supervisor")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	var router noted
	for until := time.Now().Add(20 * time.Second); !there(b.dir, routerHung); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("no router was started")
		}
	}
	for until := time.Now().Add(20 * time.Second); router.Process.PID == 0 && time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if text, err := os.ReadFile(filepath.Join(b.dir, routerName)); err == nil {
			_ = json.Unmarshal(text, &router)
		}
	}
	_ = first.Process.Kill()
	_ = first.Wait()
	_ = os.Remove(hangs)
	b.begin()
	a := releaseOf("a")
	b.want(wanted(1, a))
	b.awaitReady(a.Key, 1)
	if b.pid() == 0 || router.Process.PID == 0 || !gone(router.Process.PID) {
		t.Errorf("router %d of the supervisor that was killed holds the socket", router.Process.PID)
	}
}

// TestWhatAServerStartedEndsWithIt kills a server that has started another process.
func TestWhatAServerStartedEndsWithIt(t *testing.T) {
	b := newBench(t)
	b.begin()
	a := releaseOf("a")
	arms := wanted(1, a)
	file := filepath.Join(b.dir, "child")
	arms.Arms[0].Release.Serve.Command = "sleep 1000 & echo $! >>'" + file + "'; " + arms.Arms[0].Release.Serve.Command
	b.want(arms)
	b.awaitReady(a.Key, 1)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || gone(child) {
		t.Fatalf("its child is %q: %v", text, err)
	}
	_ = syscall.Kill(b.pid(), syscall.SIGKILL)
	b.await("its child ends", func() bool { return gone(child) })
}

// TestWhatCannotBeLaidOutIsTriedAgain has a full disk, and a store that does not answer.
func TestWhatCannotBeLaidOutIsTriedAgain(t *testing.T) {
	b := newBench(t)
	a, slow := releaseOf("a"), releaseOf("f")
	put := func(name string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(b.dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(layFails)
	if err := folder.WriteJSON(filepath.Join(b.dir, armsName), wanted(1, a)); err != nil {
		t.Fatal(err)
	}
	b.begin()
	b.await("it says why", func() bool {
		arms := b.running().Arms
		return len(arms) == 1 && strings.Contains(arms[0].Trouble, "no space left")
	})
	_ = os.Remove(filepath.Join(b.dir, layFails))
	b.awaitReady(a.Key, 1)

	put(layWaits)
	server, done := b.pid(), make(chan error, 1)
	go func() {
		_, err := b.client.Want(context.Background(), wanted(1, a, slow))
		done <- err
	}()
	b.await("it is wanted", func() bool { arms, err := b.client.Arms(); return err == nil && len(arms.Arms) == 2 })
	_ = syscall.Kill(server, syscall.SIGKILL)
	b.await("what runs is looked after meanwhile", func() bool {
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		r, err := b.client.Running(ctx)
		return err == nil && len(r.Arms) > 0 && r.Arms[0].Restarts == 1 && len(r.Arms[0].Servers) == 1
	})
	if now := b.pid(); now == server {
		t.Error("the server that was killed answers")
	}
	_ = os.Remove(filepath.Join(b.dir, layWaits))
	if err := <-done; err != nil {
		t.Error(err)
	}
	b.awaitReady(slow.Key, 1)
}

// idle is a router that has no request, and was told so often.
type idle struct{ asked atomic.Int64 }

func (*idle) Serve(context.Context, map[string][]string) error { return nil }

func (r *idle) Actual(context.Context) (deploy.Actual, error) {
	r.asked.Add(1)
	return deploy.Actual{}, nil
}

// TestNobodyIsQuietUntilAllRoutersAre holds a server up while the router before may still ask it, and while the router does not know that it is
// to end.
func TestNobodyIsQuietUntilAllRoutersAre(t *testing.T) {
	for what, hold := range map[string]func(s *supervisor) (release func()){
		"a router takes over": func(s *supervisor) func() {
			s.plane.replacing.Store(true)
			return func() { s.plane.replacing.Store(false) }
		},
		"the router was not told": func(s *supervisor) func() {
			s.tell()
			return func() { s.told.Store(s.news.Load()) }
		},
	} {
		t.Run(what, func(t *testing.T) {
			r := &idle{}
			s := &supervisor{o: Options{Router: r, Drain: time.Minute}, push: make(chan struct{}, 1), plane: &plane{}}
			s.plane.set(func(state *RouterState) { state.PID = 1 })
			release, done := hold(s), make(chan struct{})
			go func() {
				s.quiet("a")
				close(done)
			}()
			for r.asked.Load() < 2 {
				select {
				case <-done:
					t.Fatal("it was taken for quiet")
				case <-time.After(time.Millisecond):
				}
			}
			release()
			select {
			case <-done:
			case <-time.After(20 * time.Second):
				t.Error("it never is quiet")
			}
		})
	}
}

// ahead is a router that obeys somebody else.
type ahead struct{}

func (ahead) Apply(context.Context, deploy.Desired) error { return deploy.ErrStale }
func (ahead) Renew(context.Context, uint64) error         { return deploy.ErrStale }

func (ahead) Actual(context.Context) (deploy.Actual, error) {
	return deploy.Actual{Generation: 9}, nil
}

// TestWhoIsTooLateStartsNothing has a controller carry on that does not know yet that its rollout was ended.
func TestWhoIsTooLateStartsNothing(t *testing.T) {
	b := newBench(t)
	b.begin()
	a, candidate := releaseOf("a"), releaseOf("f")
	b.want(wanted(1, a))
	d := Driver{Supervisor: b.client, Router: ahead{}}
	err := d.Apply(t.Context(), deploy.Desired{Generation: 8, Arms: []deploy.Arm{{Role: deploy.Stable, Release: wanted(1, a).Arms[0].Release, Replicas: 1, Share: 9000},
		{Role: deploy.Candidate, Release: wanted(1, candidate).Arms[0].Release, Replicas: 1, Share: 1000}}})
	if arms, armsErr := b.client.Arms(); !errors.Is(err, deploy.ErrStale) || armsErr != nil || len(arms.Arms) != 1 {
		t.Errorf("what is to run is %+v, %v; it was told %v", arms, armsErr, err)
	}
}
