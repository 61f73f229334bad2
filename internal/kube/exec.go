package kube

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
	"k8s.io/klog/v2"
	"k8s.io/streaming/pkg/httpstream"

	"mlx/internal/fault"
)

// Command is a program that is executed in a container that runs. Its words stand in the address of the request, so that
// they are seen by every log of the way: nothing secret.
type Command struct {
	Pod, Container string
	Argv           []string
}

// streamer makes connections that change their protocol: WebSocket, and SPDY where something on the way knows only that.
type streamer struct{ config *rest.Config }

func (s streamer) executor(u *url.URL) (remotecommand.Executor, error) {
	spdy, err := remotecommand.NewSPDYExecutor(s.config, http.MethodPost, u)
	if err != nil {
		return nil, err
	}
	socket, err := remotecommand.NewWebSocketExecutor(s.config, http.MethodGet, u.String())
	if err != nil {
		return nil, err
	}
	return remotecommand.NewFallbackExecutor(socket, spdy, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
}

// Run executes a program until it ends. Its status is no error. Output beyond most bytes is left out.
func (c *Client) Run(ctx context.Context, cmd Command, stdin io.Reader, most int) (stdout, stderr []byte, status int, err error) {
	out, errs := &bounded{most: most}, &bounded{most: most}
	err = c.attach(ctx, cmd, remotecommand.StreamOptions{Stdin: stdin, Stdout: out, Stderr: errs})
	if code, ok := errors.AsType[exec.CodeExitError](err); ok {
		return out.Bytes(), errs.Bytes(), code.Code, nil
	}
	return out.Bytes(), errs.Bytes(), 0, err
}

// Exec executes a program and returns its standard input and output as one connection, which Close ends. ctx bounds the
// connecting only, which has succeeded when the first byte comes. A read after the program's end is io.EOF, or says what it wrote to its standard error if it failed.
func (c *Client) Exec(ctx context.Context, cmd Command) (io.ReadWriteCloser, error) {
	asked := ctx
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	in, stdin := io.Pipe()
	stdout, out := io.Pipe()
	errs := &bounded{most: 16 << 10}
	s := &session{out: stdout, in: stdin, cancel: cancel, done: make(chan struct{})}
	s.came = context.AfterFunc(asked, cancel)
	go func() {
		defer close(s.done)
		err := c.attach(ctx, cmd, remotecommand.StreamOptions{Stdin: in, Stdout: out, Stderr: errs})
		if code, ok := errors.AsType[exec.CodeExitError](err); ok {
			err = fault.New(fault.Unavailable, "cannot go on in pod %s: %s ended with status %d: %s", cmd.Pod, cmd.Argv[0], code.Code,
				strings.TrimSpace(errs.String()))
		}
		out.CloseWithError(err) // nil is io.EOF
		in.CloseWithError(errors.Join(err, io.ErrClosedPipe))
	}()
	return s, nil
}

// session is a program in a pod as a connection.
type session struct {
	out    *io.PipeReader
	in     *io.PipeWriter
	came   func() bool // from then on only Close ends it
	cancel context.CancelFunc
	done   chan struct{}
	once   sync.Once
}

// Read reads what the program prints.
func (s *session) Read(p []byte) (int, error) {
	n, err := s.out.Read(p)
	if n > 0 {
		s.came()
	}
	return n, err
}

// Write writes to the program.
func (s *session) Write(p []byte) (int, error) { return s.in.Write(p) }

// Close ends the connection, and waits until nothing of it is left.
func (s *session) Close() error {
	s.once.Do(func() {
		_ = s.in.Close() // the program sees the end of its input
		s.out.CloseWithError(io.ErrClosedPipe)
		s.cancel()
		s.came()
	})
	<-s.done
	return nil
}

// attach connects to a program and returns when it has ended: nil, its status as an exec.CodeExitError, or what went wrong.
func (c *Client) attach(ctx context.Context, cmd Command, o remotecommand.StreamOptions) error {
	q := url.Values{"container": {cmd.Container}, "command": cmd.Argv, "stdout": {"true"}, "stderr": {"true"}}
	if o.Stdin != nil {
		q.Set("stdin", "true")
	}
	what := "execute " + cmd.Argv[0] + " in pod " + cmd.Pod
	e, err := c.stream.executor(c.address(c.path(Pods, cmd.Pod)+"/exec", q))
	if err != nil {
		return fault.New(fault.Usage, "cannot %s: %w", what, err)
	}
	err = e.StreamWithContext(klog.NewContext(ctx, klog.Logger{}), o) // what goes wrong is an error, nothing to be printed
	if _, ended := errors.AsType[exec.CodeExitError](err); err == nil || ended {
		return err
	}
	return c.unattached(what, err)
}

// unattached is the error of a stream. What a server that refuses to change the protocol said stands in the text only.
func (c *Client) unattached(what string, err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "cannot create resource"), strings.Contains(text, "cannot get resource"):
		return c.refused(what, http.StatusForbidden, []byte(text))
	case strings.Contains(text, "container not found"), strings.Contains(text, "not found"):
		return c.refused(what, http.StatusNotFound, []byte(text))
	case strings.Contains(text, "Unauthorized"):
		return c.refused(what, http.StatusUnauthorized, []byte(text))
	}
	return c.lost(what, err)
}

// bounded keeps the first bytes that are written.
type bounded struct {
	bytes.Buffer
	most int
}

func (b *bounded) Write(p []byte) (int, error) {
	if room := b.most - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
