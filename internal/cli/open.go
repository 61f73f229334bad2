package cli

import (
	"io"
	"os"

	"golang.org/x/term"

	"mlx/internal/fault"
)

// ColorMode says when to use colour.
type ColorMode string

// The values of --color.
const (
	ColorAuto   ColorMode = "auto"
	ColorAlways ColorMode = "always"
	ColorNever  ColorMode = "never"
)

// Open makes Streams of the process's own three files, with what the terminal can do. getenv reads the environment. The caller
// sets the clock.
func Open(in, out, err *os.File, getenv func(string) string) *Streams {
	s := &Streams{In: in, Out: out, Err: err, Hints: true}
	dumb := getenv("TERM") == "dumb"
	s.OutTTY, s.ErrTTY = term.IsTerminal(int(out.Fd())), term.IsTerminal(int(err.Fd())) && !dumb
	if s.OutTTY {
		if width, _, sizeErr := term.GetSize(int(out.Fd())); sizeErr == nil {
			s.Width = width
		}
	}
	s.Color, s.ErrColor = wantColor(s.OutTTY, getenv), wantColor(s.ErrTTY, getenv)
	return s
}

// SetColor overrides what Open found. An unknown mode is a usage error.
func (s *Streams) SetColor(mode ColorMode) error {
	switch mode {
	case ColorAuto, "":
	case ColorAlways:
		s.Color, s.ErrColor = true, true
	case ColorNever:
		s.Color, s.ErrColor = false, false
	default:
		return fault.New(fault.Usage, "unknown colour mode %q", mode).Hint("--color auto, always or never")
	}
	return nil
}

// wantColor applies https://no-color.org and https://bixense.com/clicolors: NO_COLOR wins over CLICOLOR_FORCE.
func wantColor(tty bool, getenv func(string) string) bool {
	switch force := getenv("CLICOLOR_FORCE"); {
	case getenv("NO_COLOR") != "":
		return false
	case force != "" && force != "0":
		return true
	}
	return tty && getenv("TERM") != "dumb" && getenv("CLICOLOR") != "0"
}

// Interactive reports whether a person can be asked: both ends are a terminal, and the answer is not for a program.
func (s *Streams) Interactive() bool {
	in, ok := s.In.(*os.File)
	return ok && !s.JSON && s.ErrTTY && term.IsTerminal(int(in.Fd()))
}

// Discard returns Streams that write nowhere, for work whose output nobody wants.
func Discard() *Streams { return &Streams{Out: io.Discard, Err: io.Discard, Quiet: true} }
