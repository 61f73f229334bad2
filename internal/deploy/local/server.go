//go:build unix

package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/folder"
)

// Times of a server that ends again and again.
const (
	backoffFirst = 500 * time.Millisecond
	backoffMost  = 30 * time.Second
	backoffReset = time.Minute // of work: then the next end counts as a first one
)

// server is one process that serves a release, which is started again when it ends.
type server struct {
	o       Options
	release deploy.Release
	n       int // from 1, among those of its release
	place   Place
	stage   string           // its name, of one that only another server asks
	logged  int64            // how long its log was when the process that runs began
	changed func()           // somebody wants to know that it became ready, or is no longer
	quiet   func(key string) // waits until nothing is asked of the release any more
	after   <-chan struct{}  // the server before it in its place, which is being stopped; nil: there is none
	over    <-chan struct{}  // closed when it has ended

	mu       sync.Mutex
	address  string // when it is ready
	restarts int
	trouble  string // of the process that runs, or of the last one
	before   string // what was wrong with the process before it
	running  identity
}

// noted is what the folder of a service says of a server that runs, for a supervisor that comes later.
type noted struct {
	Key     string   `json:"key"`
	N       int      `json:"n"`
	Port    int      `json:"port"`
	Process identity `json:"process"`
	Ready   bool     `json:"ready,omitempty"` // it was
}

func (s *server) noteName() string {
	return s.o.file(serversName, shortKey(s.release.Key)+"-"+strconv.Itoa(s.n)+".json")
}

// keep runs the server until the context ends; then it is asked to end, and killed when it does not.
func (s *server) keep(ctx context.Context) {
	if s.after != nil {
		<-s.after // its process is not to be taken for one that goes on
	}
	wait := backoffFirst
	for ctx.Err() == nil {
		began := s.o.Now()
		err := s.once(ctx)
		if ctx.Err() != nil {
			break
		}
		if s.o.Now().Sub(began) > backoffReset {
			wait = backoffFirst
		}
		s.set(func() {
			s.address, s.trouble, s.restarts = "", err.Error(), s.restarts+1
			s.before = s.trouble
		})
		s.o.log("%s server %d: %v; it is started again in %s", s.release.Name(), s.n, err, wait)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, backoffMost)
	}
	s.set(func() { s.address = "" })
	if len(s.release.Stages) > 0 { // one that ended well has stopped them itself; one that was killed has not, whenever that was
		stopStages(s.stageDir(), s.release.Serve.Stop)
	}
}

// set changes what is told of the server.
func (s *server) set(change func()) {
	s.mu.Lock()
	change()
	s.mu.Unlock()
	s.changed()
}

// once takes over the process that an earlier supervisor has left, or starts one, and waits for its end.
func (s *server) once(ctx context.Context) error {
	p, port, err := s.begin(ctx)
	if err != nil {
		return err
	}
	s.set(func() { s.running = p.identity() })
	defer func() {
		s.set(func() { s.address, s.running = "", identity{} })
		_ = os.Remove(s.noteName()) // it ended, so a note that stayed would name nobody
	}()
	probing, cancel := context.WithCancel(ctx)
	defer cancel()
	ready := make(chan string, 1)
	go s.probe(probing, port, ready)
	late := time.NewTimer(s.release.Serve.Start)
	defer late.Stop()
	for {
		select {
		case address := <-ready:
			late.Stop()
			note := noted{Key: s.release.Key, N: s.n, Port: port, Process: p.identity(), Ready: true}
			if err := folder.WriteJSON(s.noteName(), note); err != nil {
				s.o.log("%s server %d: a supervisor that comes later waits for it: %v", s.release.Name(), s.n, err)
			}
			s.set(func() { s.address, s.trouble, s.before = address, "", "" })
			s.warnOfOpenPorts(p)
		case <-p.ended():
			p.stop(0) // what it started does not end with it: it may hold a GPU
			return s.ended(p)
		case <-late.C:
			cancel() // one that ends says nothing more
			why := s.lastTrouble()
			p.stop(s.release.Serve.Stop)
			return fmt.Errorf("it was not ready after %s: %s", s.release.Serve.Start, why)
		case <-ctx.Done():
			s.set(func() { s.address = "" }) // the router sends it nothing new
			s.quiet(s.release.Key)
			p.stop(s.release.Serve.Stop)
			return ctx.Err()
		}
	}
}

func (s *server) lastTrouble() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble
}

// ready is its address when it is ready.
func (s *server) ready() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.address
}

// tell adds what is known of the server to that of its release.
func (s *server) tell(a *RunningArm) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.address != "" {
		a.Servers = append(a.Servers, s.address)
	}
	a.Restarts += s.restarts
	if a.Trouble == "" {
		a.Trouble = s.trouble
		if s.trouble == nothingListens && s.before != "" { // it starts again, and is no wiser yet
			a.Trouble = s.before
		}
	}
	groups := []identity{s.running}
	if len(s.release.Stages) > 0 {
		groups = append(groups, stagesLeft(s.stageDir())...)
		stages := ReadCounts(s.stageDir())
		for i := range stages {
			if s.address == "" {
				stages[i].Ready = 0 // nobody has written it down
			}
		}
		a.Stages = deploy.AddStages(a.Stages, stages)
	}
	a.Memory = max(a.Memory, memoryOf(groups...))
}

// stageDir is the folder of its stages.
func (s *server) stageDir() string { return StageDir(s.o.Dir, s.release.Key, s.n) }

// logName is the file that it prints to.
func (s *server) logName() string {
	if s.stage != "" {
		return s.o.file(logsName, s.stage+".log")
	}
	return LogOf(s.o.Dir, s.release.Key, s.n)
}

// ended says how a process ended that was not asked to.
func (s *server) ended(p process) error {
	said := lastLines(s.logName(), s.logged, 3)
	if said == "" {
		return fmt.Errorf("it ended with %s and said nothing", p.status())
	}
	return fmt.Errorf("it ended with %s: %s", p.status(), said)
}

// left is the process that an earlier supervisor has left.
func (s *server) left() (left noted, ok bool, err error) {
	text, err := os.ReadFile(s.noteName())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return left, false, err
	}
	return left, err == nil && json.Unmarshal(text, &left) == nil && left.Key == s.release.Key && left.Process.alive(), nil
}

// recall takes a server that was ready under an earlier supervisor for ready, so that the router is never told that there is none.
func (s *server) recall() {
	if left, ok, _ := s.left(); ok && left.Ready { // what cannot be read is met again when it is begun
		s.address = loopback(left.Port)
	}
}

// loopback is where a server is asked.
func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// begin finds the process that serves, or starts it.
func (s *server) begin(ctx context.Context) (process, int, error) {
	left, ok, err := s.left()
	if err != nil {
		return nil, 0, err
	}
	if ok {
		s.o.log("%s server %d runs already", s.release.Name(), s.n)
		return adopted{left.Process}, left.Port, nil
	}
	s.set(func() { s.address = "" }) // it ended since it was recalled
	port, err := freePort(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("it has no port: %w", err)
	}
	out, err := openLog(s.logName())
	if err != nil {
		return nil, 0, err
	}
	defer out.Close()
	if info, err := out.Stat(); err == nil {
		s.logged = info.Size() // else it is told what an earlier process said as well
	}
	cmd := exec.Command(shell[0], append(shell[1:], s.release.Serve.Command)...) //nolint:noctx // it outlives this supervisor when that is killed
	cmd.Dir = s.place.Dir
	cmd.Env = append(append(append(append([]string{}, s.o.Environ...), s.place.Env...), s.release.Serve.Env...),
		"PORT="+strconv.Itoa(port), "HOST=127.0.0.1")
	if len(s.release.Stages) > 0 {
		cmd.Env = append(cmd.Env, StageDirVariable+"="+s.stageDir())
	}
	cmd.Stdout, cmd.Stderr = out, out
	p, err := start(cmd)
	if err != nil {
		return nil, 0, fmt.Errorf("it cannot be started: %w", err)
	}
	note := noted{Key: s.release.Key, N: s.n, Port: port, Process: p.identity()}
	if err := folder.WriteJSON(s.noteName(), note); err != nil {
		p.stop(0)
		return nil, 0, err
	}
	return p, port, nil
}

// freePort is a port of the loopback interface that nobody listens on now.
func freePort(ctx context.Context) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }() // nobody has connected
	tcp, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, fmt.Errorf("%s is no address of TCP", l.Addr())
	}
	return tcp.Port, nil
}
