package main

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/pipeline"
	"mlx/internal/repo"
	"mlx/internal/snapshot"
)

// sampleScratch is a copy of the project in which samples stand for inputs.
type sampleScratch struct {
	dir   string // the copy
	index string // what is remembered of its files
}

func (s *sampleScratch) remove() {
	_ = os.RemoveAll(s.dir)
	_ = os.RemoveAll(s.index)
}

// startSample copies what git keeps, and what it does not know yet, and puts the samples beside it.
func (r *repro) startSample(ctx context.Context) error {
	samples, err := r.app.samples(ctx)
	if err != nil {
		return err
	}
	if len(samples) == 0 {
		return fault.New(fault.Usage, "cannot run on samples: mlx.yaml declares none").
			Hint("edit mlx.yaml   # samples: {data/flights: {rows: 1000}}")
	}
	s := &sampleScratch{}
	r.world.sample = s
	if s.dir, err = os.MkdirTemp("", "mlx-sample-"); err == nil {
		s.index, err = os.MkdirTemp("", "mlx-sample-index-")
	}
	if err == nil {
		s.dir, err = filepath.EvalSymlinks(s.dir)
	}
	if err == nil {
		err = r.copyProject(ctx, s, samples)
	}
	for _, input := range slices.Sorted(maps.Keys(samples)) {
		if err == nil && r.reads(input) {
			err = r.app.makeSample(ctx, input, samples[input], r.world.abs(input))
		}
	}
	if err == nil {
		err = r.useScratchIndex(s)
	}
	for _, i := range r.chosen {
		if err == nil {
			err = os.MkdirAll(r.world.abs(r.graph.Stages[i].Folder), 0o777)
		}
	}
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot run on samples: %w", err)
	}
	return nil
}

// reads says whether one of the chosen stages reads an input.
func (r *repro) reads(input string) bool {
	return slices.ContainsFunc(r.chosen, func(i int) bool { return slices.Contains(r.graph.Stages[i].Deps, input) })
}

// useScratchIndex keeps what is remembered of the copy out of the memory of this worktree.
func (r *repro) useScratchIndex(s *sampleScratch) error {
	store, err := r.app.openStoreWith(s.index)
	if err != nil {
		return err
	}
	r.app.store = func() (*snapshot.Store, error) { return store, nil }
	r.world.store = store
	return nil
}

func (r *repro) copyProject(ctx context.Context, s *sampleScratch, samples map[string]repo.Sample) error {
	files, err := r.projectFiles(ctx)
	if err != nil {
		return err
	}
	c := sampleCopy{ctx: ctx}
	for _, file := range files {
		if _, _, written := r.graph.Output(file); written || sampled(samples, file) {
			continue
		}
		target := filepath.Join(s.dir, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(target), 0o777); err != nil {
			return err
		}
		if err := c.copy(r.world.repo.Abs(file), target); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func sampled(samples map[string]repo.Sample, file string) bool {
	for input := range samples {
		if within(file, input) {
			return true
		}
	}
	return false
}

// projectFiles lists the files that are code: those that git tracks or does not know yet; outside git all of them.
func (r *repro) projectFiles(ctx context.Context) ([]string, error) {
	rep := r.world.repo
	if !rep.NoGit {
		tracked, err := r.world.tracked()
		if err != nil {
			return nil, err
		}
		untracked, err := rep.Untracked(ctx)
		return append(slices.Clone(tracked), untracked...), err
	}
	var all []string
	err := fs.WalkDir(os.DirFS(rep.Root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || ctx.Err() != nil:
			return errors.Join(err, ctx.Err())
		case d.IsDir() && (name == ".mlx" || pointerAbove(rep, name) != ""):
			return fs.SkipDir
		case !d.IsDir():
			all = append(all, name)
		}
		return nil
	})
	return all, err
}

// noSample says that an input is neither code nor sampled.
func (w *reproWorld) noSample(s pipeline.Stage, dep string) error {
	return fault.New(fault.NotFound, "cannot run stage %s on samples: %s is neither in git nor has it a sample%s", s.Name, dep, s.Line()).In(s.At).
		Hint("edit mlx.yaml   # samples: {%s: {rows: 1000}}", strings.TrimSuffix(dep, "/"))
}
