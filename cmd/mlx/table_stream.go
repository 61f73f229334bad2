package main

import (
	"context"
	"crypto/sha256"
	"io"
	"os"
	"path"

	"mlx/internal/dataset"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/object"
)

// stdinTable is what comes on stdin. It is kept in a file while it is read: types may have to be inferred twice.
func (a *app) stdinTable() (*tableFiles, error) {
	t, id, err := spooled("stdin", a.streams.In)
	if err != nil {
		return nil, err
	}
	t.refer = func(context.Context) (gate.Ref, error) { return gate.Ref{Kind: refStdin, ID: id, Name: "-"}, nil }
	return t, nil
}

// pipeTable is what comes from a pipe that has a name, as <(command) of a shell.
func (a *app) pipeTable(where, local string) (*tableFiles, error) {
	in, err := os.Open(local)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read %s: %w", local, err)
	}
	defer in.Close()
	t, id, err := spooled(local, in)
	if err != nil {
		return nil, err
	}
	t.refer = func(context.Context) (gate.Ref, error) { return gate.Ref{Kind: refPath, ID: id, Name: where}, nil }
	return t, nil
}

// spooled keeps a stream in a temporary file, and names its bytes.
func spooled(name string, in io.Reader) (*tableFiles, object.Digest, error) {
	dir, err := os.MkdirTemp("", "mlx-table-*")
	if err != nil {
		return nil, object.Digest{}, fault.New(fault.KindOf(err), "cannot read %s: %w", name, err)
	}
	t := &tableFiles{closes: []func() error{func() error { return os.RemoveAll(dir) }}}
	h := sha256.New()
	if err := copyInto(dir, io.TeeReader(in, h)); err != nil {
		return nil, object.Digest{}, t.close(fault.New(fault.KindOf(err), "cannot read %s: %w", name, err))
	}
	f, err := dataset.FromFS(os.DirFS(dir), spoolName, name)
	if err != nil {
		return nil, object.Digest{}, t.close(err)
	}
	t.files = []dataset.File{f}
	return t, object.Digest(h.Sum(nil)), nil
}

const spoolName = "table"

func copyInto(dir string, in io.Reader) error {
	out, err := os.Create(path.Join(dir, spoolName))
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
