package cli

import (
	"bufio"
	"context"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"mlx/internal/fault"
)

// maxAnswer bounds what is read as an answer.
const maxAnswer = 256

// Ask asks a person a question that yes answers; anything else is no. Where nobody can be asked (no terminal, or an answer
// for a program) it is an error of kind Usage, to which the caller adds the flag that says yes.
func (s *Streams) Ask(ctx context.Context, question string) (bool, error) {
	switch {
	case s.JSON:
		return false, fault.New(fault.Usage, "cannot ask you: the answer is for a program")
	case !s.Interactive():
		return false, fault.New(fault.Usage, "cannot ask you: there is no terminal")
	}
	s.mu.Lock()
	s.clearLive()
	_, err := io.WriteString(s.Err, clean(question)+" [y/N] ")
	s.mu.Unlock()
	if err != nil {
		return false, err
	}
	answer := make(chan string, 1)
	go func() { // reading a terminal cannot be interrupted; the process ends soon after
		line, _ := bufio.NewReader(io.LimitReader(s.In, maxAnswer)).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		s.errLine("")
		return false, ctx.Err()
	case word := <-answer:
		return word == "y" || word == "yes", nil
	}
}

// AskSecret asks a person for a secret, which the terminal does not show. Where nobody can be asked it is an error of kind Usage.
func (s *Streams) AskSecret(ctx context.Context, what string) ([]byte, error) {
	in, ok := s.In.(*os.File)
	if !ok || !s.Interactive() {
		return nil, fault.New(fault.Usage, "cannot ask you for the %s: there is no terminal", what)
	}
	fd := int(in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, fault.New(fault.Usage, "cannot ask you for the %s: %w", what, err)
	}
	s.mu.Lock()
	s.clearLive()
	_, err = io.WriteString(s.Err, clean(what)+": ")
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	type answer struct {
		text []byte
		err  error
	}
	read := make(chan answer, 1)
	go func() { // reading a terminal cannot be interrupted; the process ends soon after
		text, err := term.ReadPassword(fd)
		read <- answer{text, err}
	}()
	select {
	case <-ctx.Done():
		_ = term.Restore(fd, before) // else what is typed next is not shown
		s.errLine("")
		return nil, ctx.Err()
	case a := <-read:
		s.errLine("")
		return a.text, a.err
	}
}
