package source

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"mlx/internal/fault"
)

// command takes what a command of the user's prints. The query is its stdin and $MLX_QUERY.
func (f *Fetcher) command(ctx context.Context, q Request) (Result, error) {
	shell := []string{"sh", "-c"}
	if runtime.GOOS == "windows" {
		shell = []string{"cmd", "/C"}
	}
	out, err := newPart(q.Dest, f.o.Progress)
	if err != nil {
		return Result{}, err
	}
	defer out.f.Close()
	rows := &csvRows{}
	tail := &lastLines{}
	cmd := exec.CommandContext(ctx, shell[0], shell[1], q.Source.given) //nolint:gosec // the user's own words
	cmd.Dir = f.o.Dir
	cmd.Env = append(append([]string{}, f.o.Environ...), "MLX_QUERY="+q.Query)
	cmd.Stdin = strings.NewReader(q.Query)
	cmd.Stdout = io.MultiWriter(out, rows)
	cmd.Stderr = tail
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		var ended *exec.ExitError
		if !errors.As(err, &ended) {
			return Result{}, err
		}
		return Result{}, fault.New(fault.Unavailable, "the command ended with %s%s", ended.ProcessState, tail.told())
	}
	if out.n == 0 {
		return Result{}, fault.New(fault.Unavailable, "the command printed nothing%s", tail.told())
	}
	res := Result{}
	if strings.EqualFold(filepath.Ext(q.Dest), ".csv") {
		n := rows.count()
		res.Rows = &n
	}
	return f.finished(q, out, res)
}

// finished is the result of a source that cannot say beforehand whether it changed.
func (f *Fetcher) finished(q Request, out *part, res Result) (Result, error) {
	pin := Pin{Bytes: out.n}
	var err error
	if pin.Digest, err = out.finish(true); err != nil {
		return Result{}, err
	}
	res.Pins = []Pin{pin}
	res.Changed = len(q.Pins) != 1 || q.Pins[0].Digest != pin.Digest
	return res, nil
}

// csvRows counts the rows of a CSV file after its header: line ends inside quotes are text.
type csvRows struct {
	lines  int64
	quoted bool
	open   bool // the last line has bytes and no end yet
}

func (c *csvRows) Write(b []byte) (int, error) {
	for _, x := range b {
		switch {
		case x == '"':
			c.quoted = !c.quoted
			c.open = true
		case x == '\n' && !c.quoted:
			if c.open {
				c.lines++
			}
			c.open = false
		case x != '\r':
			c.open = true
		}
	}
	return len(b), nil
}

func (c *csvRows) count() int64 {
	n := c.lines
	if c.open {
		n++
	}
	return max(0, n-1)
}

// lastLines keeps the end of what a command says.
type lastLines struct{ b []byte }

const maxTail = 4 << 10

func (l *lastLines) Write(b []byte) (int, error) {
	l.b = append(l.b, b...)
	if len(l.b) > 2*maxTail {
		l.b = append(l.b[:0], l.b[len(l.b)-maxTail:]...)
	}
	return len(b), nil
}

// told is the last lines, to be put after a message.
func (l *lastLines) told() string {
	lines := bytes.Split(bytes.TrimSpace(l.b), []byte("\n"))
	if n := len(lines); n > 5 {
		lines = lines[n-5:]
	}
	text := strings.ToValidUTF8(string(bytes.Join(lines, []byte(" | "))), "?")
	if text == "" {
		return ""
	}
	if len(text) > 600 {
		text = "..." + strings.ToValidUTF8(text[len(text)-600:], "")
	}
	return ": " + text
}
