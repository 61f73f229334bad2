package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTable(t *testing.T) {
	seen := make(map[string]bool)
	for k := Internal; k <= Interrupted; k++ {
		row := k.Row()
		if row.Label == "" || seen[row.Label] || row.HTTP < 400 {
			t.Errorf("kind %d has the row %+v", k, row)
		}
		seen[row.Label] = true
		if want := map[bool]int{true: 130, false: 2}[k == Interrupted]; row.Status != want {
			t.Errorf("%s: status %d, want %d", k, row.Status, want)
		}
	}
	if (Kind(99)).Row() != Internal.Row() {
		t.Error("an unknown kind must be internal")
	}
}

func TestNewKeepsTheCauseApart(t *testing.T) {
	cause := errors.New("disk on fire")
	for _, c := range []struct {
		err           *Error
		message, text string
		cause         error
	}{
		{New(Usage, "cannot read %s", "x"), "cannot read x", "cannot read x", nil},
		{New(Usage, "cannot read %s: %w", "x", cause), "cannot read x", "cannot read x: disk on fire", cause},
		{New(Usage, "%w while reading", cause), "disk on fire while reading", "disk on fire while reading", cause},
		{&Error{Message: "cannot read", Cause: cause}, "cannot read", "cannot read: disk on fire", cause},
	} {
		if c.err.Message != c.message || c.err.Error() != c.text || !errors.Is(c.err.Unwrap(), c.cause) {
			t.Errorf("got %q, %q, %v", c.err.Message, c.err.Error(), c.err.Unwrap())
		}
	}
}

func TestKindOf(t *testing.T) {
	_, missing := os.Open("/no/such/file")
	for _, c := range []struct {
		err  error
		want Kind
	}{
		{errors.New("x"), Internal},
		{missing, NotFound},
		{fmt.Errorf("a: %w", fs.ErrPermission), Denied},
		{&fs.PathError{Err: syscall.EROFS}, Denied},
		{&fs.PathError{Err: syscall.ENOSPC}, Unavailable},
		{context.DeadlineExceeded, Unavailable},
		{fmt.Errorf("a: %w", context.Canceled), Interrupted},
		{fmt.Errorf("a: %w", New(Conflict, "b")), Conflict},
		{New(Usage, "a: %w", New(Conflict, "b")), Usage},
		{New(Internal, "a: %w", missing), NotFound},
		{New(Internal, "a: %w", New(Denied, "b")), Denied},
	} {
		if got := KindOf(c.err); got != c.want {
			t.Errorf("%v: got %s, want %s", c.err, got, c.want)
		}
	}
}

func TestWhatHelpsIsFoundThroughTheChain(t *testing.T) {
	below := New(NotFound, "b").Hint("mlx log").In(Position{"mlx.yaml", 3, 9}).About(Ref{"run", "1", "r"})
	err := fmt.Errorf("outer: %w", New(Usage, "a: %w", below).Hint("mlx %s", "show"))
	if diff := cmp.Diff([]string{"mlx show", "mlx log"}, Hints(err)); diff != "" {
		t.Error(diff)
	}
	if at := At(err); at == nil || at.Line != 3 {
		t.Errorf("got %v", at)
	}
	if diff := cmp.Diff([]Ref{{"run", "1", "r"}}, Refs(err)); diff != "" {
		t.Error(diff)
	}
	if At(errors.New("x")) != nil || Hints(nil) != nil {
		t.Error("something came of nothing")
	}
}

func TestUnknownPositionIsNull(t *testing.T) {
	got, err := json.Marshal(Position{File: "a", Line: 2})
	if want := `{"file":"a","line":2,"column":null}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

func TestRefWithoutNameIsNull(t *testing.T) {
	got, err := json.Marshal([]Ref{{"run", "1", ""}, {"run", "2", "x"}})
	if want := `[{"kind":"run","id":"1","name":null},{"kind":"run","id":"2","name":"x"}]`; err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"snapshot", "checkout", "run", "rerun", "repro", "gate", "min", "max", "margin"}
	for word, want := range map[string]string{
		"snapshto": "snapshot", "chekout": "checkout", "minimum": "min", "reproduce": "repro", "mni": "min", "gat": "gate", "rnu": "run", "": "",
		"zzzzzz": "", "run": "run", "marign": "margin",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}
