package train

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"

	"mlx/internal/fault"
)

// Conn is a connection to mlx on a host: its stdin and stdout.
type Conn struct {
	Installed

	host *Host
	in   io.WriteCloser
	out  *bufio.Reader
	said tail // stderr
	cmd  *exec.Cmd

	waiting sync.Once
	ended   chan struct{}
	how     error
	closed  bool
	mu      sync.Mutex
}

// closeLimit is how long the other side may take to end after its stdin has.
const closeLimit = 5 * time.Second

// start begins a process whose pipes are a connection.
func (h *Host) start(ctx context.Context, cmd *exec.Cmd) (*Conn, error) {
	c := &Conn{host: h, cmd: cmd, ended: make(chan struct{})}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, h.trouble(ctx, err, "")
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, h.trouble(ctx, err, "")
	}
	cmd.Stderr = &c.said
	if err := cmd.Start(); err != nil {
		return nil, h.trouble(ctx, err, "")
	}
	c.in, c.out = in, bufio.NewReaderSize(out, 64<<10)
	return c, nil
}

// Read reads from mlx on the host. io.EOF says that it ended well.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.out.Read(p)
	if err == nil || n > 0 {
		return n, nil
	}
	if c.isClosed() {
		return 0, io.EOF
	}
	if err = c.lost(context.Background(), err); err == nil {
		err = io.EOF
	}
	return 0, err
}

// Write writes to mlx on the host.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.in.Write(p)
	if err == nil || c.isClosed() {
		return n, err
	}
	if lost := c.lost(context.Background(), err); lost != nil {
		err = lost
	}
	return n, err
}

// Close ends the connection, and nothing on the host but what answers on it.
func (c *Conn) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	_ = c.in.Close() // it may be closed
	if !c.reap() {
		return nil
	}
	return c.verdict(context.Background())
}

func (c *Conn) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

func (c *Conn) kill() { _ = c.cmd.Process.Kill() } // it may have ended

// reap collects the process, once. false: it did not end by itself in time.
func (c *Conn) reap() bool {
	go c.waiting.Do(func() {
		c.how = c.cmd.Wait()
		close(c.ended)
	})
	select {
	case <-c.ended:
		return true
	case <-time.After(closeLimit):
		c.kill()
		<-c.ended
		return false
	}
}

// lost says why nothing can be read or written any more. nil: the other side has ended well.
func (c *Conn) lost(ctx context.Context, err error) error {
	c.reap()
	if how := c.verdict(ctx); how != nil {
		return how
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return fault.New(fault.Unavailable, "the connection to %s was lost: %w", c.host.label(), err)
}

// verdict says how the process ended, which has.
func (c *Conn) verdict(ctx context.Context) error {
	var exit *exec.ExitError
	if !errors.As(c.how, &exit) {
		return nil
	}
	said := c.said.text()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if c.host.Name != "" && (exit.ExitCode() == 255 || exit.ExitCode() < 0) {
		return c.host.trouble(ctx, c.how, said)
	}
	if said = strings.TrimSpace(said); said == "" {
		said = exit.String()
	}
	return fault.New(fault.Unavailable, "mlx on %s ended: %s", c.host.label(), lastLine(said, ""))
}
