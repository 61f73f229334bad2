package main

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/object"
	"mlx/internal/repo"
)

type lsOptions struct {
	ref   string
	from  string
	sizes bool
}

func newLs(a *app) *cobra.Command {
	var o lsOptions
	cmd := &cobra.Command{
		Use:   "ls [REF:][PATH]",
		Short: "List files of a version",
		Long: `Lists a folder of a version, or what fits a pattern in quotes: ** goes through all folders. REF is a snapshot, tag, run or git
revision; without it the version counts that the pointer file names, and without PATH the tracked data is listed. Only
lists of files are fetched, if they are not here. SOURCE of --from is as for mlx get.`,
		Example: `mlx ls
mlx ls data/flights --sizes
mlx ls 'HEAD~1:data/flights/**'
mlx ls --from ../flights v1.2:data/flights`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.ref = args[0]
			}
			return lsRun(cmd.Context(), a, o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	a.fromFlag(cmd, &o.from)
	flags.BoolVar(&o.sizes, "sizes", false, "also print bytes")
	return cmd
}

// listedEntry is entry/v1, a row of ls. Path starts at the root of its repository.
type listedEntry struct {
	Kind   string  `json:"kind"`
	Path   string  `json:"path"`
	Type   string  `json:"type"`
	Bytes  *int64  `json:"bytes"`  // of a folder, all files below it; null if not known
	Digest *string `json:"digest"` // of a file its SHA-256; of a folder that of its list
}

func lsRun(ctx context.Context, a *app, o lsOptions) (err error) {
	rows, done, err := a.listing(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	header := []string{"TYPE", "PATH"}
	if o.sizes {
		header = []string{"TYPE", "BYTES", "PATH"}
	}
	return a.streams.List(header, func(yield func(cli.Item, error) bool) {
		for e, err := range rows {
			if !yield(cli.Item{Value: e, Cells: a.lsCells(e, o)}, err) {
				return
			}
		}
	})
}

func (a *app) lsCells(e listedEntry, o lsOptions) []cli.Cell {
	shown := e.Path
	if o.from == "" {
		shown = a.shown(e.Path)
	}
	cells := []cli.Cell{cli.Str(e.Type), cli.Path(shown)}
	if !o.sizes {
		return cells
	}
	size := cli.None()
	if e.Bytes != nil {
		size = cli.Bytes(*e.Bytes)
	}
	return []cli.Cell{cells[0], size, cells[1]}
}

type listing = iter.Seq2[listedEntry, error]

// listing finds what the words name: tracked data, or what lies in a version. done must be called when the rows are read.
func (a *app) listing(ctx context.Context, o lsOptions) (rows listing, done func() error, err error) {
	word, pattern := splitPattern(o.ref)
	if data, ok, err := a.trackedAt(ctx, o.from, word, pattern); err != nil {
		return nil, nil, err
	} else if ok {
		return a.ofData(ctx, data, pattern), data.from.close, nil
	}
	p, err := a.find(ctx, o.from, word)
	if err != nil {
		return nil, nil, err
	}
	return a.inside(ctx, p, pattern), p.from.close, nil
}

// splitPattern parts what is typed before the first name that holds * ? or [.
func splitPattern(typed string) (word, pattern string) {
	i := strings.IndexAny(typed, "*?[")
	if i < 0 {
		return typed, ""
	}
	at := strings.LastIndexAny(typed[:i], "/:") + 1
	return strings.TrimSuffix(typed[:at], "/"), typed[at:]
}

// inside lists a folder of a version, or with a pattern what fits it below that folder.
func (a *app) inside(ctx context.Context, p piece, pattern string) listing {
	return func(yield func(listedEntry, error) bool) {
		var all []listedEntry // a list that cannot be read to its end is read again
		err := a.reading(ctx, p, p.lists(pattern), func() (err error) {
			all, err = readList(ctx, p, pattern)
			return err
		})
		if err != nil {
			yield(listedEntry{}, err)
			return
		}
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// lists wants the folders that a listing goes through, and no file.
func (p piece) lists(pattern string) wants {
	return func(at string, isDir bool) bool {
		if !isDir {
			return false
		}
		if within(p.Inner, at) {
			return true
		}
		below, ok := strings.CutPrefix(at, p.Inner+"/")
		if p.Inner == "" {
			below, ok = at, true
		}
		return ok && pattern != "" && mayHold(below, pattern)
	}
}

func readList(ctx context.Context, p piece, pattern string) ([]listedEntry, error) {
	fsys, inner, info, err := look(ctx, p)
	if err != nil {
		return nil, err
	}
	top := p
	if top.Inner == "" && inner != "." { // a version of a single file
		top.Path = path.Dir(p.Path)
	}
	var all []listedEntry
	if !info.IsDir() {
		return append(all, entryOf(path.Join(top.Path, inner), info)), nil
	}
	err = fs.WalkDir(fsys, inner, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == inner {
			return err
		}
		below := name
		if inner != "." {
			below = strings.TrimPrefix(name, inner+"/")
		}
		if pattern == "" || repo.Match(pattern, below) {
			info, err := d.Info()
			if err != nil {
				return err
			}
			all = append(all, entryOf(path.Join(p.Path, name), info))
		}
		if d.IsDir() && (pattern == "" || !mayHold(below, pattern)) {
			return fs.SkipDir
		}
		return nil
	})
	return all, err
}

func entryOf(name string, info fs.FileInfo) listedEntry {
	size := info.Size()
	e := listedEntry{Kind: "entry/v1", Path: name, Type: typeOf(info.Mode()), Bytes: &size}
	if sum, ok := info.Sys().(object.Digest); ok {
		e.Digest = some(sum.Hex())
	}
	return e
}
