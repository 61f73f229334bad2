package train

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// calls are all operations of a link, each of which says how it ended.
func calls(s *snapshot.Store, root object.Digest) map[string]func(ctx context.Context, l *Link) error {
	big := bytes.Repeat([]byte("x"), 9<<20)
	return map[string]func(ctx context.Context, l *Link) error{
		"hello":  func(ctx context.Context, l *Link) error { _, err := l.Hello(ctx); return err },
		"have":   func(ctx context.Context, l *Link) error { _, err := l.Have(ctx, []object.Digest{root}); return err },
		"holds":  func(ctx context.Context, l *Link) error { _, err := l.Holds(ctx, []object.Digest{root}); return err },
		"write":  func(ctx context.Context, l *Link) error { return l.Write(ctx, "w", 0o600, big) },
		"read":   func(ctx context.Context, l *Link) error { _, err := l.Read(ctx, "big", 0, io.Discard); return err },
		"list":   func(ctx context.Context, l *Link) error { _, err := l.List(ctx, "."); return err },
		"remove": func(ctx context.Context, l *Link) error { return l.Remove(ctx, "gone") },
		"exec": func(ctx context.Context, l *Link) error {
			_, err := l.Exec(ctx, Command{Argv: []string{"cat"}, Stdin: big})
			return err
		},
		"send": func(ctx context.Context, l *Link) error {
			_, err := l.Send(ctx, s, snapshot.BundleOptions{Roots: []object.Digest{root}})
			return err
		},
		"follow": func(ctx context.Context, l *Link) error {
			return l.Follow(ctx, []Tail{{Name: "big"}, {Name: "done/result.json"}}, 0, func(string, int64, []byte) error { return nil })
		},
	}
}

// sample is a store with a version of some megabytes.
func sample(t *testing.T) (*snapshot.Store, object.Digest) {
	t.Helper()
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "store"))
	var data bytes.Buffer
	for i := range 300_000 {
		fmt.Fprintf(&data, "%d,%x\n", i, object.Sum([]byte{byte(i), byte(i >> 8), byte(i >> 16)}).Short())
	}
	if err := os.WriteFile(filepath.Join(dir, "data"), data.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	v, err := s.Save(t.Context(), snapshot.SaveOptions{Path: filepath.Join(dir, "data")})
	if err != nil {
		t.Fatal(err)
	}
	return s, v.Root
}

// cutConn is a connection that ends after so many bytes were read.
type cutConn struct {
	net.Conn
	left atomic.Int64
}

func (c *cutConn) Read(p []byte) (int, error) {
	left := c.left.Load()
	if left <= 0 {
		c.Close()
		return 0, io.EOF
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), left)])
	c.left.Add(-int64(n))
	return n, err
}

// Wherever a connection is cut, on either side, each call ends with an error that says so, the node ends its service, and the
// next link finds a node where the call succeeds.
func TestLinkCut(t *testing.T) {
	s, root := sample(t)
	for name, call := range calls(s, root) {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			if err := errors.Join(os.MkdirAll(n.root, 0o700), os.WriteFile(filepath.Join(n.root, "big"), bytes.Repeat([]byte("y"), 9<<20), 0o600),
				os.MkdirAll(filepath.Join(n.root, "done"), 0o700), os.WriteFile(filepath.Join(n.root, "done", "result.json"), nil, 0o600)); err != nil {
				t.Fatal(err)
			}
			for _, at := range []int64{0, 5, 30, 60, 100_000, 2 << 20} {
				for _, side := range []string{"here", "there"} {
					a, b := net.Pipe()
					here, there := &cutConn{Conn: a}, &cutConn{Conn: b}
					here.left.Store(1 << 40)
					there.left.Store(1 << 40)
					if side == "here" {
						here.left.Store(at)
					} else {
						there.left.Store(at)
					}
					end := make(chan error, 1)
					go func() {
						end <- Serve(context.Background(), there, ServeOptions{Root: n.root, Store: n.s, Now: time.Now})
					}()
					l := NewLink(here)
					err := call(t.Context(), l)
					if kind := fault.KindOf(err); err != nil && kind != fault.Unavailable {
						t.Errorf("cut %s at %d: %v: %v", side, at, kind, err)
					}
					if err == nil && at < 20 {
						t.Errorf("cut %s at %d: no error", side, at)
					}
					l.Close()
					<-end
				}
			}
			if err := call(t.Context(), n.l); err != nil {
				t.Errorf("after the cuts: %v", err)
			}
			left, err := filepath.Glob(filepath.Join(n.root, ".mlx-*"))
			if err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
}

// Whoever stops waiting gets his answer at once, and the link goes on.
func TestLinkStopped(t *testing.T) {
	n := newNode(t)
	ctx, cancel := context.WithCancel(t.Context())
	n.mustWrite(t, "grows", []byte("x"))
	err := n.l.Follow(ctx, []Tail{{Name: "grows"}}, 0, func(string, int64, []byte) error { cancel(); return nil })
	if fault.KindOf(err) != fault.Interrupted {
		t.Fatal(err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for {
			if _, err := os.Stat(filepath.Join(n.root, "runs")); err == nil {
				cancel()
				return
			}
		}
	}()
	if _, err := n.l.Exec(ctx, Command{Argv: []string{"sh", "-c", "echo $$ >runs; exec sleep 1000"}}); fault.KindOf(err) != fault.Interrupted {
		t.Fatal(err)
	}
	for { // the node has killed it
		b, err := n.l.ReadAll(t.Context(), "runs")
		if err != nil {
			t.Fatal(err)
		}
		if a, err := n.l.Exec(t.Context(), Command{Argv: []string{"sh", "-c", "kill -0 " + strings.TrimSpace(string(b))}}); err != nil {
			t.Fatal(err)
		} else if a.Status != 0 {
			break
		}
	}
	broken := errors.New("broken")
	if err := n.l.PutBundle(t.Context(), func(io.Writer) error { return broken }); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if _, err := n.l.Hello(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Two clients, and many calls of each at once, do not disturb each other.
func TestLinkTwoClients(t *testing.T) {
	n := newNode(t)
	other, _ := n.link(t)
	s, root := sample(t)
	n.mustWrite(t, "big", bytes.Repeat([]byte("y"), 9<<20))
	n.mustWrite(t, "done/result.json", nil)
	var group sync.WaitGroup
	for range 2 {
		for name, call := range calls(s, root) {
			for _, l := range []*Link{n.l, other} {
				group.Go(func() {
					if err := call(t.Context(), l); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				})
			}
		}
	}
	group.Wait()
	if b, err := n.l.ReadAll(t.Context(), "w"); err != nil || len(b) != 9<<20 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

// silent is a connection whose other end has vanished: nothing comes, and what is written goes nowhere.
type silent struct {
	net.Conn
	dead chan struct{}
	gone atomic.Bool
}

func (c *silent) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.gone.Load() {
		<-c.dead
		return 0, io.EOF
	}
	return n, err
}

func (c *silent) Write(p []byte) (int, error) {
	if c.gone.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// Close tells the other side nothing.
func (c *silent) Close() error {
	close(c.dead)
	return nil
}

// A connection that is dead without saying so is noticed, on both sides; one that is only idle is not ended.
func TestLinkSilence(t *testing.T) {
	n := newNode(t)
	a, b := net.Pipe()
	here := &silent{Conn: a, dead: make(chan struct{})}
	end := make(chan error, 1)
	const beat = 20 * time.Millisecond
	go func() {
		end <- serve(context.Background(), b, ServeOptions{Root: n.root, Store: n.s, Now: time.Now}, beat)
	}()
	l := newLink(here, beat)
	ctx, cancel := context.WithTimeout(t.Context(), 20*beat)
	defer cancel()
	if err := l.Follow(ctx, []Tail{{Name: "nothing"}}, 0, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if _, err := l.Hello(t.Context()); err != nil {
		t.Fatalf("after a while without calls: %v", err)
	}
	here.gone.Store(true)
	if err := l.Follow(t.Context(), []Tail{{Name: "nothing"}}, 0, nil); fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "nothing was heard") {
		t.Fatal(err)
	}
	if err := <-end; fault.KindOf(err) != fault.Unavailable {
		t.Fatal(err)
	}
}

// What answers that is not mlx, or another mlx, is told as what it is.
func TestLinkStranger(t *testing.T) {
	for said, want := range map[string]struct {
		kind fault.Kind
		text string
	}{
		"bash: mlx: command not found\n":     {fault.Unavailable, "command not found"},
		"":                                   {fault.Unavailable, "ended at once"},
		"Welcome\nmlx link 2\n":              {fault.Conflict, "mlx link 2"},
		strings.Repeat("noise\n", maxBanner): {fault.Unavailable, "noise"},
		linkMagic + "\xff\xff\xff\xffR\x01\x00\x00\x00": {fault.Integrity, "none of this protocol"},
		linkMagic + "\x00\x00\x00\x00?\x01\x00\x00\x00": {fault.Integrity, "none of this protocol"},
	} {
		a, b := net.Pipe()
		go func() {
			_, _ = io.WriteString(b, said) // the link may have hung up
			if _, _ = io.CopyN(io.Discard, b, int64(len(linkMagic))); strings.HasPrefix(said, linkMagic) {
				_, _ = io.Copy(io.Discard, b) // it stays, and is hung up on
			}
			b.Close()
		}()
		_, err := NewLink(a).Hello(t.Context())
		if fault.KindOf(err) != want.kind || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%.60q: %v: %v", said, fault.KindOf(err), err)
		}
	}
}

// A node that runs as another process, behind a shell that greets.
func TestLinkToProcess(t *testing.T) {
	root := filepath.Join(t.TempDir(), "node")
	cmd := exec.Command(os.Args[0], "agent", "serve", root)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l := NewLink(pipes{out, in})
	n, err := l.Hello(t.Context())
	if err != nil || n.PID != cmd.Process.Pid || n.Root != root {
		t.Fatalf("%+v, %v", n, err)
	}
	s, from := sample(t)
	for name, call := range calls(s, from) {
		if name == "follow" || name == "read" {
			continue
		}
		if err := call(t.Context(), l); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	l.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("the node, after its stdin has ended: %v", err)
	}
}

// pipes is a connection to a process.
type pipes struct {
	io.Reader
	io.WriteCloser
}

// Whatever arrives as a frame has no other encoding, and is bounded.
func FuzzFrame(f *testing.F) {
	f.Add(append(appendFrameHead(nil, frameData, 7, 3), "abc"...))
	f.Add(appendFrameHead(nil, frameBeat, 0, 0))
	f.Add(append(appendFrameHead(nil, frameCall, 1, 16), `{"op":"hello"}  `...))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReader(bytes.NewReader(b))
		var again []byte
		for {
			f, err := readFrame(r, func(n int) []byte {
				if n > maxMessage {
					t.Fatalf("asked for %d bytes", n)
				}
				return make([]byte, n)
			})
			if err != nil {
				break
			}
			again = append(appendFrameHead(again, f.kind, f.call, len(f.payload)), f.payload...)
		}
		if !bytes.HasPrefix(b, again) {
			t.Error("another encoding of the same frames")
		}
	})
}

// Whatever is taken as a request names nothing outside the folder of the node, and is answered without a panic.
func FuzzRequest(f *testing.F) {
	for _, text := range []string{`{"op":"read","name":"YS9i"}`, `{"op":"exec","argv":["c2g="],"dir":"bG9n","env":["QT0x"]}`, `{"op":"follow","tails":[{"name":"YQ==","from":3}],"every_ns":5}`,
		`{"op":"write","name":"Li4veA=="}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := parseRequest(b)
		if err != nil {
			if r := failure(err); r.err("n") == nil || len(r.encode()) > maxMessage {
				t.Error("an error that cannot be told")
			}
			return
		}
		var names [][]byte
		switch q.Op {
		case opWrite, opRead, opList, opRemove:
			names = [][]byte{q.Name}
		case opFollow:
			for _, tail := range q.Tails {
				names = append(names, tail.Name)
			}
		default:
			return
		}
		for _, n := range names {
			if len(n) > 0 && !filepath.IsLocal(string(n)) {
				t.Errorf("name %q", n)
			}
		}
	})
}
