package run

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"reflect"
	"syscall"
	"time"

	"mlx/internal/fault"
)

// drainGrace is how long mlx waits, once the command has ended, for others that hold its output open.
const drainGrace = 500 * time.Millisecond

// pumpBuffer is how much is read from the command at once.
const pumpBuffer = 256 << 10

// output is what a command writes to its standard output and error, on its way to who watches it and into the log. Each
// stream is pumped by itself, so that a reader that is slow on one holds up only that one, as without mlx.
type output struct {
	streams []*stream
	log     *logWriter // nil records nothing
	mask    Mask
}

// stream is one of the two.
type stream struct {
	from  byte
	live  io.Writer // nil shows nothing
	ours  *os.File  // what the command writes can be read here
	child *os.File  // the command's end, ours no more once it has started
	tty   *os.File  // the terminal that ours stands in for; nil for a pipe
	done  chan struct{}
	mask  *MaskStream
	last  byte  // of what was shown; read it when done is closed
	err   error // why showing it failed; read it when done is closed
}

// openOutput gives cmd its standard output and error: a terminal where ours is one, else a pipe. Where ours are one file
// the command gets one as well: only so does what it writes keep its order. Where the system can make no terminal the
// command gets ours as it is, and that stream is not recorded.
func openOutput(cmd *exec.Cmd, o order) (*output, error) {
	out := &output{mask: o.mask}
	if o.folder != "" {
		out.log = newLogWriter(o.folder, o.now, o.kept)
	}
	if sameFile(o.stdout, o.stderr) {
		if err := out.open(fromBoth, o.stdout, &cmd.Stdout); err != nil {
			return nil, err
		}
		cmd.Stderr = cmd.Stdout
		return out, nil
	}
	if err := out.open(fromStdout, o.stdout, &cmd.Stdout); err != nil {
		return nil, err
	}
	return out, out.open(fromStderr, o.stderr, &cmd.Stderr)
}

// sameFile reports whether two streams are one open file, or the same terminal or pipe.
func sameFile(a, b io.Writer) bool {
	x, okX := a.(*os.File)
	y, okY := b.(*os.File)
	if !okX || !okY {
		return a != nil && b != nil && reflect.TypeOf(a).Comparable() && a == b
	}
	infoX, errX := x.Stat()
	infoY, errY := y.Stat()
	return errX == nil && errY == nil && os.SameFile(infoX, infoY)
}

// open makes one stream, whose end for the command goes to give.
func (out *output) open(from byte, live io.Writer, give *io.Writer) error {
	if live == nil && out.log == nil {
		return nil
	}
	s := &stream{from: from, live: live, mask: out.mask.Stream(), done: make(chan struct{})}
	if f, ok := live.(*os.File); ok && isTerminal(f) {
		s.tty = f
	}
	err := s.open()
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		*give = live
		return nil
	case err != nil:
		out.abandon()
		return fault.New(fault.KindOf(err), "cannot start the run: %w", err)
	}
	*give = s.child
	out.streams = append(out.streams, s)
	return nil
}

func (s *stream) open() (err error) {
	if s.tty != nil {
		s.ours, s.child, err = openTerminal(s.tty)
		return err
	}
	if s.ours, s.child, err = os.Pipe(); err == nil {
		widen(s.child)
	}
	return err
}

// abandon closes what no command was started for.
func (out *output) abandon() {
	for _, s := range out.streams {
		_ = s.ours.Close() // nothing was written
		_ = s.child.Close()
	}
}

// begin pumps, once the command has its ends.
func (out *output) begin() {
	for _, s := range out.streams {
		_ = s.child.Close() // the command has its own
		go s.pump(out.log)
	}
}

// resize tells the command's terminals the size of ours.
func (out *output) resize() {
	for _, s := range out.streams {
		if s.tty != nil {
			copySize(s.tty, s.ours)
		}
	}
}

// finish takes what is still to come when the command has ended, and says what went wrong. What others write, that
// still hold the streams after the grace, is not waited for.
func (out *output) finish(grace time.Duration) error {
	var trouble error
	over := make(chan struct{})
	timer := time.AfterFunc(grace, func() { close(over) })
	defer timer.Stop()
	for _, s := range out.streams {
		trouble = errors.Join(trouble, s.wait(over))
	}
	if err := out.log.close(); err != nil {
		trouble = errors.Join(trouble, fault.New(fault.KindOf(err), "cannot keep the output: %w", err))
	}
	return trouble
}

// openLine reports, after finish, whether the last line on a terminal has no end.
func (out *output) openLine() bool {
	for _, s := range out.streams {
		if s.tty != nil && s.last != 0 && s.last != '\n' {
			return true
		}
	}
	return false
}

func (s *stream) wait(over <-chan struct{}) error {
	select {
	case <-s.done:
	case <-over:
		if err := s.ours.SetReadDeadline(time.Unix(1, 0)); err != nil {
			return nil // a system where a read cannot be ended: it goes on, unheard
		}
		<-s.done // whoever watches may be slow: nothing that came is lost
	}
	if s.err != nil && !errors.Is(s.err, syscall.EPIPE) {
		return fault.New(fault.KindOf(s.err), "cannot show the output of the command: %w", s.err)
	}
	return nil
}

// pump shows and records what the command writes. Where it cannot be shown any more the command gets to know it the way
// it would without mlx: its next write fails.
func (s *stream) pump(log *logWriter) {
	defer close(s.done)
	defer s.ours.Close()
	defer func() { s.show(log, s.mask.Rest()) }()
	buf := make([]byte, pumpBuffer)
	for {
		n, err := s.ours.Read(buf)
		if !s.pass(log, buf[:n]) {
			return
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			s.rest(log, buf)
			return
		}
		if err != nil {
			return // the end; of a terminal it is called EIO
		}
	}
}

// pass takes what arrived, without secrets.
func (s *stream) pass(log *logWriter, b []byte) bool { return s.show(log, s.mask.Pass(b)) }

func (s *stream) show(log *logWriter, b []byte) bool {
	if len(b) == 0 {
		return true
	}
	log.add(s.from, b)
	if s.live != nil {
		_, s.err = s.live.Write(b)
		s.last = b[len(b)-1]
	}
	return s.err == nil
}

// rest takes what lies in the pipe of a command that has ended, and no more than a pipe can hold: others may go on.
func (s *stream) rest(log *logWriter, buf []byte) {
	if err := s.ours.SetReadDeadline(time.Time{}); err != nil {
		return
	}
	for left := pipeSize; left > 0; {
		n := readNow(s.ours, buf[:min(len(buf), left)])
		if n <= 0 || !s.pass(log, buf[:n]) {
			return
		}
		left -= n
	}
}
