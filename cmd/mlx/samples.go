package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"mlx/internal/fault"
	"mlx/internal/repo"
)

// samples returns what stands in for the inputs of the pipeline in repro --sample, by their paths below the root.
func (a *app) samples(ctx context.Context) (map[string]repo.Sample, error) {
	p, err := a.readPipeline(ctx)
	if err != nil {
		return nil, err
	}
	return p.Samples()
}

// makeSample makes the sample of an input at target, an absolute path where nothing is yet. In a project elsewhere, as a copy that
// repro works in, the input is looked for here.
func (a *app) makeSample(ctx context.Context, input string, s repo.Sample, target string) error {
	r, err := a.repo()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return sampleError(input, err)
	}
	switch {
	case s.Cmd != "":
		return a.sampleByCommand(ctx, input, s, target)
	case s.Path != "":
		c := sampleCopy{ctx: ctx}
		err = c.copy(r.Abs(s.Path), target)
	default:
		c := sampleCopy{ctx: ctx, rows: s.Rows}
		err = c.copy(r.Abs(input), target)
	}
	if errors.Is(err, fs.ErrNotExist) && s.Path == "" {
		return sampleError(input, fault.New(fault.NotFound, "it is not here").Hint("mlx checkout %s   # or mlx pull", shellWord(input)))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return sampleError(input, fault.New(fault.NotFound, "%s does not exist", s.Path).Hint("edit mlx.yaml   # line %d", s.At.Line))
	}
	if err != nil {
		return sampleError(input, err)
	}
	return nil
}

func sampleError(input string, err error) error {
	kind := fault.KindOf(err)
	if kind == fault.Internal {
		kind = fault.Usage
	}
	return fault.New(kind, "cannot make the sample of %s: %w", input, err)
}

// sampleByCommand runs the command of a sample in the root of the project; its output is progress.
func (a *app) sampleByCommand(ctx context.Context, input string, s repo.Sample, target string) error {
	p, err := a.readPipeline(ctx)
	if err != nil {
		return err
	}
	if err := a.mayRunItem(ctx, p, s.TrustItem(input), input, repo.ConfigName); err != nil {
		return err
	}
	r, err := a.repo()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", s.Cmd)
	cmd.Dir, cmd.Env = r.Root, append(append([]string{}, a.environ...), "MLX_SAMPLE="+target)
	cmd.Stdout, cmd.Stderr = a.streams.Err, a.streams.Err
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return sampleError(input, fault.New(fault.Usage, "%q ended with %w", s.Cmd, err))
	}
	if _, err := os.Stat(target); err != nil {
		return sampleError(input, fault.New(fault.Usage, "%q wrote nothing at $MLX_SAMPLE", s.Cmd).
			Hint(`edit mlx.yaml   # cmd: python make_sample.py "$MLX_SAMPLE"`))
	}
	return nil
}

// sampleWhole bounds a file that is no table and lies in a folder of which rows are taken: it is copied whole.
const sampleWhole = 16 << 20

// sampleCopy copies a file or folder; with rows, only that many of every table.
type sampleCopy struct {
	ctx  context.Context
	rows int
}

// copy copies from, which may be a symbolic link to data in the store, to a path where nothing is yet.
func (c sampleCopy) copy(from, to string) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		if c.rows > 0 && tableForm(from) == noTable {
			return fault.New(fault.Usage, "rows can be taken of .csv, .tsv, .jsonl and .ndjson, not of %s", filepath.Base(from)).
				Hint("edit mlx.yaml   # samples: path or cmd instead of rows")
		}
		return c.file(from, to, info)
	}
	return c.folder(from, to, 0)
}

// maxSampleDepth bounds folders in folders: a link may lead back up.
const maxSampleDepth = 64

func (c sampleCopy) folder(from, to string, depth int) error {
	if depth > maxSampleDepth {
		return fault.New(fault.Usage, "%s has folders deeper than %d", from, maxSampleDepth)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, e := range entries {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		source, target := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		info, err := os.Stat(source)
		switch {
		case err != nil:
		case e.IsDir():
			err = c.folder(source, target, depth+1)
		default:
			err = c.file(source, target, info)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c sampleCopy) file(from, to string, info fs.FileInfo) error {
	form := tableForm(from)
	switch {
	case !info.Mode().IsRegular():
		return fault.New(fault.Usage, "%s is no file", from)
	case c.rows > 0 && form == noTable && info.Size() > sampleWhole:
		return fault.New(fault.Usage, "%s is no table and too large to be copied whole", from).
			Hint("edit mlx.yaml   # samples: path or cmd instead of rows")
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm()|0o200)
	if err != nil {
		return err
	}
	if c.rows > 0 && form != noTable {
		err = firstRows(out, in, form, c.rows)
	} else {
		_, err = io.Copy(out, in)
	}
	return errors.Join(err, out.Close())
}
