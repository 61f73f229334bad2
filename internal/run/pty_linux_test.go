package run

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal is a real one, as a person sits at it.
func terminal(t *testing.T, rows, columns uint16) (screen, tty *os.File) {
	t.Helper()
	screen, tty, err := openTerminal(os.Stdin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close(); tty.Close() })
	resizeTo(t, tty, rows, columns)
	return screen, tty
}

func resizeTo(t *testing.T, tty *os.File, rows, columns uint16) {
	t.Helper()
	control(tty, func(fd int) {
		if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
			t.Error(err)
		}
	})
}

// cooked switches on what a terminal usually does to output.
func cooked(t *testing.T, tty *os.File) {
	t.Helper()
	control(tty, func(fd int) {
		mode, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err == nil {
			mode.Oflag |= unix.OPOST | unix.ONLCR
			err = unix.IoctlSetTermios(fd, unix.TCSETS, mode)
		}
		if err != nil {
			t.Error(err)
		}
	})
}

// seen reads from a screen until it shows the text.
func seen(t *testing.T, screen io.Reader, until string) string {
	t.Helper()
	var all strings.Builder
	buf := make([]byte, 1024)
	for !strings.Contains(all.String(), until) {
		n, err := screen.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, all.String())
		}
		all.Write(buf[:n])
	}
	return all.String()
}

// At a terminal the command sees one, of the same size, which follows changes; what it writes reaches the screen as if
// it had written there itself.
func TestRunAtTerminal(t *testing.T) {
	b := newBench(t).plays("screen")
	screen, tty := terminal(t, 40, 100)
	cooked(t, tty)
	signals := make(chan os.Signal, 1)
	b.runner.Stdout, b.runner.Stderr, b.runner.Signals = tty, tty, signals
	done := make(chan View)
	go func() { done <- b.run(t, b.spec()).View }()
	if got := seen(t, screen, "40x100\r\n"); got != "terminals true true, 40x100\r\n" {
		t.Errorf("the screen shows %q", got)
	}
	resizeTo(t, tty, 50, 120)
	signals <- syscall.SIGWINCH
	if got := seen(t, screen, "\r\n"); got != "now 50x120\r\n" {
		t.Errorf("the screen shows %q", got)
	}
	v := <-done
	if _, all, _ := b.log(t, v); all != "terminals true true, 40x100\nnow 50x120\n" || v.State != Succeeded {
		t.Errorf("%s, kept %q", v.State, all)
	}
}

// Only one of the two may be a terminal.
func TestRunHalfAtTerminal(t *testing.T) {
	b := newBench(t).plays("screen")
	screen, tty := terminal(t, 40, 100)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	signals := make(chan os.Signal, 1)
	b.runner.Stdout, b.runner.Stderr, b.runner.Signals = tty, w, signals
	done := make(chan View)
	go func() { done <- b.run(t, b.spec()).View }()
	if got := seen(t, screen, "\n"); got != "terminals true false, 40x100\n" {
		t.Errorf("the screen shows %q", got)
	}
	signals <- syscall.SIGWINCH
	<-done
}

// A terminal that goes away ends the command with an error, not mlx.
func TestRunAtTerminalThatCloses(t *testing.T) {
	b := newBench(t).plays("flood")
	screen, tty := terminal(t, 40, 100)
	b.runner.Stdout = tty
	go func() {
		_, _ = io.ReadFull(screen, make([]byte, 100))
		screen.Close()
	}()
	res := b.run(t, b.spec())
	if v := res.View; v.State != Failed || *v.ExitStatus != 3 {
		t.Errorf("%s %v", v.State, v.Cause)
	}
}

// playScreen says what it sees of its terminals, then again when their size changes.
func playScreen(stop <-chan os.Signal) {
	size := func() string {
		s, err := unix.IoctlGetWinsize(1, unix.TIOCGWINSZ)
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("%dx%d", s.Row, s.Col)
	}
	fmt.Printf("terminals %t %t, %s\n", isTerminal(os.Stdout), isTerminal(os.Stderr), size())
	<-stop
	fmt.Println("now", size())
}
