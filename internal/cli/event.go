package cli

import (
	"errors"
	"fmt"
	"strings"

	"mlx/internal/fault"
)

// maxHints is how many hints a person is given at once.
const maxHints = 2

type noteEvent struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
}

type errorEvent struct {
	Kind      string          `json:"kind"`
	Error     string          `json:"error"`
	Message   string          `json:"message"`
	Cause     string          `json:"cause"`
	Hints     []string        `json:"hints"`
	Retryable bool            `json:"retryable"`
	Status    int             `json:"status"`
	At        *fault.Position `json:"at"`
	Refs      []fault.Ref     `json:"refs"`
}

// Note tells something beside the answer, on Err. It is silent under -q.
func (s *Streams) Note(format string, args ...any) {
	if s.Quiet {
		return
	}
	text := s.shortened(fmt.Sprintf(format, args...))
	if s.JSON {
		s.event(noteEvent{"note/v1", text})
		return
	}
	s.errLine(clean(text))
}

// Why tells a step and its reason, on Err, under -v only.
func (s *Streams) Why(format string, args ...any) {
	if s.Verbose {
		s.Note(format, args...)
	}
}

// Hint proposes the usual next command after a success, to a person at a terminal only.
func (s *Streams) Hint(command, reason string) {
	if !s.ErrTTY || s.Quiet || s.JSON || !s.Hints {
		return
	}
	s.errLine(hintLine(command, reason, s.ErrColor))
}

// Fail prints err and its hints on Err and returns the exit status that goes with its kind.
func (s *Streams) Fail(err error) int { return s.FailAs(err, fault.KindOf(err).Row().Status) }

// FailAs is Fail for a command that has a status of its own for trouble.
func (s *Streams) FailAs(err error, status int) int {
	kind := fault.KindOf(err)
	row := kind.Row()
	message, cause := split(err)
	message, cause = s.shortened(message), s.shortened(cause)
	if kind == fault.Interrupted {
		message, cause = "interrupted", ""
	}
	if s.JSON {
		s.event(errorEvent{
			Kind: "error/v1", Error: row.Label, Message: message, Cause: cause,
			Hints: append([]string{}, fault.Hints(err)...), Retryable: row.Retryable, Status: status,
			At: fault.At(err), Refs: append([]fault.Ref{}, fault.Refs(err)...),
		})
		return status
	}
	if cause != "" {
		message += ": " + cause
	}
	s.errLine(paint(s.ErrColor, RoleFail, "mlx:") + " " + clean(message))
	hints := fault.Hints(err)
	for _, h := range hints[:min(len(hints), maxHints)] {
		s.errLine(hintLine(h, "", s.ErrColor))
	}
	return status
}

// split gives the outermost message and, apart from it, what caused it.
func split(err error) (message, cause string) {
	whole := plain(err.Error(), err)
	var e *fault.Error
	if errors.As(err, &e) && e.Error() == err.Error() && e.Cause != nil {
		if rest, cut := strings.CutPrefix(whole, e.Message+": "); cut {
			return e.Message, rest
		}
	}
	return whole, ""
}

func (s *Streams) shortened(text string) string {
	if s.Shorten == nil {
		return text
	}
	return s.Shorten(text)
}

func hintLine(command, reason string, color bool) string {
	if reason != "" {
		command += "   # " + reason
	}
	return paint(color, RoleDim, "hint:") + " " + clean(command)
}

func (s *Streams) event(v any) {
	doc, err := document(v)
	if err != nil {
		return // our own structs always encode
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = s.Err.Write(doc) // nobody is left to tell when stderr is gone
}

func (s *Streams) errLine(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clearLive()
	_, _ = s.Err.Write([]byte(line + "\n"))
}
