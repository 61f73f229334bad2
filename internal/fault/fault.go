// Package fault hides how an error becomes an answer: it holds the kinds of trouble and the one table
// that maps a kind to an exit status, a label, an HTTP status and whether trying again can help.
package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// Kind says what sort of trouble an error is.
type Kind uint8

// The kinds. Internal is the zero value: an error nobody classified is a defect until shown otherwise.
const (
	Internal    Kind = iota // a defect of mlx
	Usage                   // the words or the file given to mlx are wrong
	NotFound                // what was named is not here
	Conflict                // it exists in a state, or in two states, that forbids this
	Integrity               // bytes are not what their digest says
	Denied                  // permission, credentials or policy of the system refuse
	Unavailable             // disk full, network down, time over: may work later
	Interrupted             // the user or a signal stopped it
)

// Row is what the rest of the world needs to know of a kind.
type Row struct {
	Status    int    // exit status
	Label     string // word in JSON
	Retryable bool   // true when the same request may succeed later, unchanged
	HTTP      int    // status of a server's reply
}

// Row returns the kind's line of the table. An unknown kind is Internal.
func (k Kind) Row() Row {
	switch k {
	case Usage:
		return Row{2, "usage", false, 400}
	case NotFound:
		return Row{2, "not-found", false, 404}
	case Conflict:
		return Row{2, "conflict", false, 409}
	case Integrity:
		return Row{2, "integrity", false, 422}
	case Denied:
		return Row{2, "denied", false, 403}
	case Unavailable:
		return Row{2, "unavailable", true, 503}
	case Interrupted:
		return Row{130, "interrupted", true, 499}
	case Internal:
	}
	return Row{2, "internal", false, 500}
}

// String returns the kind's label.
func (k Kind) String() string { return k.Row().Label }

// Position is a place in a text file. Line and Column count from 1; 0 is unknown.
type Position struct {
	File         string
	Line, Column int
}

// MarshalJSON writes what is unknown as null.
func (p Position) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		File   string `json:"file"`
		Line   *int   `json:"line"`
		Column *int   `json:"column"`
	}{p.File, known(p.Line), known(p.Column)})
}

func known(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

// Ref names a thing an error is about.
type Ref struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

// MarshalJSON writes a missing name as null.
func (r Ref) MarshalJSON() ([]byte, error) {
	shape := struct {
		Kind string  `json:"kind"`
		ID   string  `json:"id"`
		Name *string `json:"name"`
	}{r.Kind, r.ID, &r.Name}
	if r.Name == "" {
		shape.Name = nil
	}
	return json.Marshal(shape)
}

// Error is an error with a kind, and what helps a person to go on.
// Message reads "cannot WHAT" or "cannot WHAT: WHY", in lower case, without a full stop.
type Error struct {
	Kind    Kind
	Message string
	Cause   error
	Hints   []string
	At      *Position
	Refs    []Ref

	whole bool // Message already contains the text of Cause
}

// New makes an error of kind k. With %w the wrapped error becomes Cause.
func New(k Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	e := &Error{Kind: k, Message: err.Error(), Cause: errors.Unwrap(err)}
	if e.Cause == nil {
		return e
	}
	message, cut := strings.CutSuffix(e.Message, ": "+e.Cause.Error())
	e.Message, e.whole = message, !cut
	return e
}

// Error returns the message and its cause in one line.
func (e *Error) Error() string {
	if e.Cause == nil || e.whole {
		return e.Message
	}
	return e.Message + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Hint adds a line that says what to type next, as "command   # reason", and returns e.
func (e *Error) Hint(format string, args ...any) *Error {
	e.Hints = append(e.Hints, fmt.Sprintf(format, args...))
	return e
}

// In sets the position in a file and returns e.
func (e *Error) In(p Position) *Error {
	e.At = &p
	return e
}

// About adds a thing the error is about and returns e.
func (e *Error) About(refs ...Ref) *Error {
	e.Refs = append(e.Refs, refs...)
	return e
}

// KindOf returns the kind of the outermost classified error in err's chain; system errors classify themselves.
func KindOf(err error) Kind {
	for e := next(err); e != nil; e = next(e.Cause) {
		if e.Kind != Internal {
			return e.Kind
		}
	}
	switch {
	case errors.Is(err, context.Canceled):
		return Interrupted
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return Unavailable
	case errors.Is(err, fs.ErrNotExist):
		return NotFound
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return Denied
	}
	return Internal
}

// Hints returns the hints of every error in err's chain, outermost first.
func Hints(err error) []string {
	var all []string
	for e := next(err); e != nil; e = next(e.Cause) {
		all = append(all, e.Hints...)
	}
	return all
}

// At returns the first position in err's chain, or nil.
func At(err error) *Position {
	for e := next(err); e != nil; e = next(e.Cause) {
		if e.At != nil {
			return e.At
		}
	}
	return nil
}

// Refs returns the things that the errors in err's chain are about.
func Refs(err error) []Ref {
	var all []Ref
	for e := next(err); e != nil; e = next(e.Cause) {
		all = append(all, e.Refs...)
	}
	return all
}

func next(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}
