package run

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// collected is what became of capturing the results of a run.
type collected struct {
	troubles   []error
	badMetrics bool
	keep       bool     // what clients sent could not be kept: the folder of the run has it
	untouched  []string // outputs of a run that succeeded which are the files that were there before
	releases   []func() error
}

// release lets gc have what was saved and is not recorded: call it once the record is written.
func (c collected) release() []error {
	var troubles []error
	for _, free := range c.releases {
		if err := free(); err != nil {
			troubles = append(troubles, err)
		}
	}
	return troubles
}

// collect reads the metrics and saves the outputs into body.
func (r Runner) collect(ctx context.Context, s Spec, body *Body, tmp string) collected {
	c := r.collectTold(ctx, tmp, body)
	outs, err := collectRecorded(s, body, tmp)
	if err != nil {
		c.troubles = append(c.troubles, err)
	}
	r.collectLog(ctx, body, tmp, &c)
	for _, out := range outs {
		if body.State != Succeeded && out.untouched() {
			continue // made by something else: a run that was stopped early must not be taken for its author
		}
		saved, free, err := r.save(ctx, out)
		if err != nil {
			c.troubles = append(c.troubles, err)
			if body.State == Succeeded {
				body.State, body.Cause = Failed, text(err.Error())
			}
			continue
		}
		if out.untouched() {
			c.untouched = append(c.untouched, out.Path)
		}
		body.Outputs = append(body.Outputs, saved)
		c.releases = append(c.releases, free)
	}
	if err := r.collectStored(ctx, body, tmp, &c); err != nil {
		c.troubles = append(c.troubles, err)
		if body.State == Succeeded {
			body.State, body.Cause = Failed, text(err.Error())
		}
	}
	return c
}

// collectStored takes folders that the command has put into the store by itself: what is too large to be laid out and read once more.
func (r Runner) collectStored(ctx context.Context, body *Body, dir string, c *collected) error {
	was, err := readRecorded(dir)
	if err != nil || len(was.Stored) == 0 || len(was.Stored) > maxRecordedOuts {
		return err
	}
	roots := make([]object.Digest, len(was.Stored))
	for i, o := range was.Stored {
		roots[i] = o.Root
	}
	whole, free, err := r.Store.Keep(ctx, roots)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot save output %s: %w", was.Stored[0].Path, err)
	}
	c.releases = append(c.releases, free)
	for i, o := range was.Stored {
		if !whole[i] {
			return fault.New(fault.NotFound, "cannot save output %s: version %s is not in the store", o.Path, o.Root.Short())
		}
		sum, err := r.Store.Stat(ctx, o.Root)
		if err != nil {
			return fault.New(fault.KindOf(err), "cannot save output %s: %w", o.Path, err)
		}
		body.Outputs = append(body.Outputs, Output{
			Path: text(o.Path), Root: o.Root, Digest: o.Root, Kind: string(snapshot.Directory), Files: sum.Files, Bytes: sum.Bytes,
		})
	}
	return nil
}

// collectLog keeps what the command wrote, if anything.
func (r Runner) collectLog(ctx context.Context, body *Body, dir string, c *collected) {
	size, cut, err := closeLog(dir, r.kept.orUsual())
	if err == nil && size+cut > 0 {
		var saved snapshot.Saved
		if saved, err = r.saveLog(ctx, dir); err == nil {
			c.releases = append(c.releases, saved.Release)
			body.Log = &Log{Root: saved.Root, Bytes: size, Cut: cut}
			body.Log.Digest, err = r.Store.FileDigest(ctx, saved.Root, outputName)
		}
	}
	if err != nil {
		body.Log = nil
		c.troubles = append(c.troubles, fault.New(fault.KindOf(err), "cannot keep the output: %w", err))
	}
}

func (r Runner) saveLog(ctx context.Context, dir string) (snapshot.Saved, error) {
	return r.Store.Save(ctx, snapshot.SaveOptions{
		Path: dir, Once: true,
		Ignore: func(rel string, _ bool) bool { return rel != outputName && rel != indexName },
	})
}

// save keeps one output as a snapshot.
func (r Runner) save(ctx context.Context, out Out) (Output, func() error, error) {
	if _, err := os.Lstat(out.Abs); errors.Is(err, fs.ErrNotExist) {
		return Output{}, nil, fault.New(fault.NotFound, "cannot save output %s: the command did not write it", out.Path).
			Hint("mlx run -o PATH …   # PATH starts at the folder that mlx was called in")
	}
	saved, err := r.Store.Save(ctx, snapshot.SaveOptions{Path: out.Abs})
	if err != nil {
		return Output{}, nil, fault.New(fault.KindOf(err), "cannot save output %s: %w", out.Path, err)
	}
	o := Output{
		Path: text(out.Path), Root: saved.Root, Digest: saved.Root,
		Kind: string(saved.Summary.Kind), Files: saved.Summary.Files, Bytes: saved.Summary.Bytes,
	}
	if saved.Summary.Kind == snapshot.File {
		if o.Digest, err = r.Store.FileDigest(ctx, saved.Root, path.Base(out.Path)); err != nil {
			return Output{}, nil, errors.Join(fault.New(fault.KindOf(err), "cannot save output %s: %w", out.Path, err), saved.Release())
		}
	}
	return o, saved.Release, nil
}
