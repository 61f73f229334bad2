package cli

import (
	"fmt"
	"io/fs"
	"testing"

	"mlx/internal/fault"
)

func TestPlainSaysNoSystemCalls(t *testing.T) {
	cause := &fs.PathError{Op: "open", Path: "a/x", Err: fs.ErrPermission}
	for _, c := range []struct {
		err  error
		want string
	}{
		{fault.New(fault.Denied, "cannot read a/x: %w", cause), "cannot read a/x: permission denied"},
		{fault.New(fault.Denied, "cannot read b: %w", cause), "cannot read b: a/x: permission denied"},
		{fmt.Errorf("cannot: %w, twice", cause), "cannot: a/x: permission denied, twice"},
		{fault.New(fault.Usage, "nothing of the kind"), "nothing of the kind"},
	} {
		if got := plain(c.err.Error(), c.err); got != c.want && fs.ErrPermission.Error() == "permission denied" {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestRelative(t *testing.T) {
	short := Relative([2]string{"/w/data/", ""}, [2]string{"/w/", "../"})
	for text, want := range map[string]string{
		"cannot read /w/data/x":          "cannot read x",
		`in "/w/data/x" and /w/mlx.yaml`: `in "x" and ../mlx.yaml`,
		"/w/.git/mlx: /v/w/x":            "../.git/mlx: /v/w/x",
		"it is outside /w":               "it is outside /w",
		"":                               "",
	} {
		if got := short(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
