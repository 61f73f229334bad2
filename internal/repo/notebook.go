package repo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"

	"mlx/internal/fault"
)

// notebookExt is the extension of a Jupyter notebook.
const notebookExt = ".ipynb"

// maxNotebook bounds a notebook that is taken apart. A larger one is a file like any other.
const maxNotebook = 64 << 20

// notebookChange is a notebook of the commit, and what it is to become.
type notebookChange struct {
	path     string // relative to Root
	old, new []byte // old is nil where there was none
	oldMode  string
	newMode  string
	changed  bool // more than results differs
}

// notebook compares a changed notebook with the commit, without the results in it. False: it is none that can be taken
// apart.
func (d differ) notebook(ctx context.Context, c changedFile) (notebookChange, bool) {
	const link, nothing = "120000", "000000"
	if c.newMode == nothing || c.newMode == link || c.oldMode == link {
		return notebookChange{}, false
	}
	n := notebookChange{path: c.path, oldMode: c.oldMode, newMode: c.newMode}
	blob := func(id string) ([]byte, error) { return d.r.git(ctx, "cat-file", "blob", id) }
	var err error
	if c.oldMode != nothing {
		if n.old, err = blob(c.old); err != nil {
			return n, false
		}
	}
	if d.base == "--cached" {
		n.new, err = blob(c.new)
	} else {
		n.new, err = readSmall(d.r.Abs(c.path), maxNotebook)
	}
	if err != nil || len(n.old) > maxNotebook {
		return n, false
	}
	if !bytes.Contains(n.old, []byte("\r\n")) { // as git itself keeps it, where it turns line ends
		n.new = bytes.ReplaceAll(n.new, []byte("\r\n"), []byte("\n"))
	}
	if n.new, n.changed, err = withoutResults(n.old, n.new); err != nil {
		return n, false
	}
	n.changed = n.changed || c.oldMode != c.newMode
	return n, true
}

// withoutResults returns the notebook file with the results that head has for the same code, and with none where the
// code differs. changed: the two differ in more than results. head may be nil.
func withoutResults(head, file []byte) (clean []byte, changed bool, err error) {
	after, err := parseNotebook(file)
	if err != nil {
		return nil, false, err
	}
	if head == nil {
		return after.with(nil), true, nil
	}
	before, err := parseNotebook(head)
	if err != nil {
		return nil, false, err
	}
	same, err := sameJSON(before.with(nil), after.with(nil))
	return after.with(before), !same, err
}

// sameJSON compares two documents by what they mean.
func sameJSON(a, b []byte) (bool, error) {
	if bytes.Equal(a, b) {
		return true, nil
	}
	var x, y any
	for _, of := range []struct {
		text []byte
		into *any
	}{{a, &x}, {b, &y}} {
		d := json.NewDecoder(bytes.NewReader(of.text))
		d.UseNumber()
		if err := d.Decode(of.into); err != nil {
			return false, err
		}
	}
	return reflect.DeepEqual(x, y), nil
}

// notebookPatch is the patch of notebooks, as git itself makes it of two folders.
func (r *Repo) notebookPatch(ctx context.Context, all []notebookChange) ([]byte, error) {
	if err := os.MkdirAll(r.Tmp(), 0o777); err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot compare notebooks: %w", err)
	}
	tmp, err := os.MkdirTemp(r.Tmp(), "notebooks-")
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot compare notebooks: %w", err)
	}
	defer os.RemoveAll(tmp)
	for _, n := range all {
		name := filepath.FromSlash(r.prefix() + n.path)
		if n.old != nil {
			err = writeAt(filepath.Join(tmp, "a", name), n.old, n.oldMode)
		}
		if err = errors.Join(err, writeAt(filepath.Join(tmp, "b", name), n.new, n.newMode), os.MkdirAll(filepath.Join(tmp, "a"), 0o777)); err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot compare notebooks: %w", err)
		}
	}
	var out, problem bytes.Buffer
	cmd := gitCommand(ctx, tmp, "-c", "core.quotePath=true", "-c", "core.autocrlf=false", "-c", "core.safecrlf=false", "-c", "core.fileMode=true", "diff", "--no-index",
		"--binary", "--no-renames", "--no-color", "--no-ext-diff", "--no-textconv", "--no-prefix", "a", "b")
	cmd.Stdout, cmd.Stderr = &out, &problem
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) { // 1: they differ
		return nil, gitError(ctx, err, problem.String())
	}
	return out.Bytes(), nil
}

func writeAt(file string, text []byte, mode string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return err
	}
	perm := os.FileMode(0o644)
	if strings.HasSuffix(mode, "755") {
		perm = 0o755
	}
	return os.WriteFile(file, text, perm)
}
