//go:build unix

package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"mlx/internal/deploy/folder"
)

// Times of the router.
const (
	routerSettles = 20 * time.Second // longest time until it answers
	routerShort   = time.Second      // it ended sooner than this after its start: it is not started again at once
	socketSettles = 3 * time.Second  // a router that was ended may hold its socket for so long: the system ends its threads one by one
)

// plane keeps the router running, on a socket that stays open when it ends: who connects meanwhile waits for the next one.
type plane struct {
	o       Options
	socket  Socket
	changed func() // a router began
	fresh   bool   // no router has run yet, and no server is ready

	upgrades chan chan error
	first    chan struct{} // closed when a router answers for the first time

	replacing atomic.Bool // one router takes over from another, which may still have requests

	mu    sync.Mutex
	state RouterState
}

// newPlane takes over the router that an earlier supervisor has left, with its socket, or opens the socket.
func newPlane(ctx context.Context, o Options, changed func()) (*plane, process, error) {
	p := &plane{o: o, changed: changed, upgrades: make(chan chan error), first: make(chan struct{})}
	if o.Listener != nil {
		given, ok := o.Listener.(Socket)
		if !ok {
			return nil, nil, fmt.Errorf("%s is no socket of TCP", o.Listener.Addr())
		}
		p.socket = given
	}
	var left noted
	text, err := os.ReadFile(o.file(routerName))
	if err == nil && json.Unmarshal(text, &left) == nil && left.Process.alive() {
		if l, err := take(ctx, o.Dir); err == nil && (p.socket == nil || l.Addr().String() == p.socket.Addr().String()) {
			o.log("the router runs already at %s", l.Addr())
			p.socket = l
			return p, adopted{left.Process}, nil
		}
		adopted{left.Process}.stop(o.Drain)
	}
	for until := o.Now().Add(socketSettles); p.socket == nil; {
		if p.socket, err = o.listen(ctx); err == nil {
			break
		}
		if !errors.Is(err, syscall.EADDRINUSE) || left.Process.PID == 0 || o.Now().After(until) {
			return nil, nil, err
		}
		p.pause(ctx, pushEvery)
	}
	p.fresh = true
	return p, nil, nil
}

// listen opens the socket.
func (o Options) listen(ctx context.Context) (Socket, error) {
	if o.Datagrams {
		c, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", o.Listen)
		if err != nil {
			return nil, err
		}
		return Datagrams{c.(*net.UDPConn)}, nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

func (p *plane) told() RouterState {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

func (p *plane) set(change func(*RouterState)) {
	p.mu.Lock()
	change(&p.state)
	p.mu.Unlock()
}

// keep runs the router until the context ends. Then it answers what it is answering, and ends.
func (p *plane) keep(ctx context.Context, now process) {
	for ctx.Err() == nil {
		began := p.o.Now()
		if now == nil {
			var err error
			if now, err = p.begin(ctx, true); err != nil {
				p.set(func(s *RouterState) { s.PID, s.Trouble = 0, err.Error() })
				p.o.log("router: %v", err)
				p.pause(ctx, routerShort)
				continue
			}
		}
		p.set(func(s *RouterState) { s.PID, s.Trouble = now.identity().PID, "" })
		select {
		case <-p.first:
		default:
			close(p.first)
		}
		p.changed()
		select {
		case <-now.ended():
			why := "it ended with " + now.status() + ": " + lastLines(p.logName(), 0, 3)
			p.set(func(s *RouterState) { s.PID, s.Restarts, s.Trouble = 0, s.Restarts+1, why })
			p.o.log("router: %s; it is started again", why)
			now = nil
			if p.o.Now().Sub(began) < routerShort {
				p.pause(ctx, routerShort)
			}
		case answer := <-p.upgrades:
			p.replacing.Store(true)
			next, err := p.begin(ctx, false)
			if err == nil {
				now.stop(p.o.Drain)
				now = next
				p.set(func(s *RouterState) { s.PID, s.Trouble = now.identity().PID, "" }) // before who asked looks
			}
			p.replacing.Store(false)
			answer <- err
		case <-ctx.Done():
			now.stop(p.o.Drain)
			p.set(func(s *RouterState) { s.PID = 0 })
		}
	}
	_ = os.Remove(p.o.file(routerName)) // it named a process that has ended
}

// pause waits before the next try.
func (p *plane) pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// upgrade has a new router, of the program as it is now, take over from the one that runs.
func (p *plane) upgrade(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case p.upgrades <- answer:
		return <-answer
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *plane) logName() string { return p.o.file(logsName, "router.log") }

// begin starts a router and waits until it answers. One that is alone is noted at once: it holds the socket, and whoever comes after a supervisor
// that was killed meanwhile must find it. Else the note stays with the one that answers.
func (p *plane) begin(ctx context.Context, alone bool) (_ process, err error) {
	socket, err := p.socket.File()
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	hear, say, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer hear.Close()
	defer say.Close()
	out, err := openLog(p.logName())
	if err != nil {
		return nil, err
	}
	defer out.Close()
	words := p.o.Program[1:]
	if p.fresh && p.o.Await > 0 {
		words = append(slices.Clone(words), "--await", p.o.Await.String())
	}
	cmd := exec.Command(p.o.Program[0], words...) //nolint:noctx // it outlives this supervisor when that is killed
	cmd.Env, cmd.Stdout, cmd.Stderr = p.o.Environ, out, out
	cmd.ExtraFiles = []*os.File{socket, say}
	r, err := start(cmd)
	if err != nil {
		return nil, fmt.Errorf("it cannot be started: %w", err)
	}
	note := func() error { return folder.WriteJSON(p.o.file(routerName), noted{Process: r.identity()}) }
	if alone {
		if err := note(); err != nil {
			r.stop(time.Second)
			return nil, err
		}
	}
	if err := awaitWord(ctx, hear, r.ended()); err != nil {
		said := lastLines(p.logName(), 0, 3)
		r.stop(time.Second)
		return nil, fmt.Errorf("it does not answer: %w: %s", err, said)
	}
	if !alone {
		if err := note(); err != nil {
			r.stop(time.Second)
			return nil, err
		}
	}
	p.fresh = false
	return r, nil
}

// awaitWord waits for the byte that a router writes when it answers.
func awaitWord(ctx context.Context, hear *os.File, ended <-chan struct{}) error {
	word := make(chan error, 1)
	go func() {
		_, err := hear.Read(make([]byte, 1))
		word <- err
	}()
	late := time.NewTimer(routerSettles)
	defer late.Stop()
	select {
	case err := <-word:
		return err
	case <-ended:
		return errors.New("it ended")
	case <-late.C:
		return fmt.Errorf("nothing for %s", routerSettles)
	case <-ctx.Done():
		return ctx.Err()
	}
}
