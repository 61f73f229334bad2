package main

import (
	"context"
	"errors"
	"path"
	"path/filepath"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
)

type getOptions struct {
	ref  string
	from string
	out  string
}

func newGet(a *app) *cobra.Command {
	var o getOptions
	cmd := &cobra.Command{
		Use:   "get [REF:]PATH",
		Short: "Save one file or folder of a version; -o - prints it",
		Long: `REF is a snapshot, tag, run or git revision; without it the version counts that the pointer file names. Only this file or folder
is fetched, if it is not here. What stands at the target and differs is never overwritten.

SOURCE of --from is another mlx repository: a folder, or an address that git understands, which is not cloned. Or it is a
remote: s3://, gs://, azblob://, file:// or its folder; there REF is a digest, and without it the newest version counts.`,
		Example: `mlx get data/flights/2013-01.csv -o jan.csv
mlx get HEAD~1:data/flights/2013-01.csv -o -
mlx get --from ../flights v1.2:data/flights
mlx get --from file:///srv/share data/flights/2013-01.csv`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ref = args[0]
			return getRun(cmd.Context(), a, o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	a.fromFlag(cmd, &o.from)
	flags.StringVarP(&o.out, "out", "o", "", "save as `FILE` or folder; - prints a file; left out, under its own name here")
	return cmd
}

// fromFlag is the flag of commands that read versions of elsewhere.
func (a *app) fromFlag(cmd *cobra.Command, from *string) {
	cmd.Flags().StringVar(from, "from", "", "read from `SOURCE`: another repository, or a remote")
}

// getView is get/v1.
type getView struct {
	Kind     string    `json:"kind"`
	Path     string    `json:"path"` // where it was saved, as typed
	Name     string    `json:"name"` // from the root of its repository
	Type     string    `json:"type"`
	Files    int64     `json:"files"`
	Bytes    int64     `json:"bytes"`
	Digest   string    `json:"digest"` // of a folder: the version that it is by itself
	Snapshot fault.Ref `json:"snapshot"`
	Source   *string   `json:"source"`
	Commit   *string   `json:"commit"`
	Changed  bool      `json:"changed"`
}

func getRun(ctx context.Context, a *app, o getOptions) (err error) {
	p, err := a.find(ctx, o.from, o.ref)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.from.close()) }()
	if o.out == "-" {
		return a.reading(ctx, p, p.all(), a.printer(ctx, p))
	}
	dest := o.out
	if dest == "" {
		dest = path.Base(p.name())
	}
	d := delivery{app: a, p: p, dest: filepath.Clean(dest)}
	if err := a.reading(ctx, p, p.all(), func() error { return d.save(ctx) }); err != nil {
		return err
	}
	v := getView{Kind: "get/v1", Path: filepath.ToSlash(d.dest), Name: p.name(), Type: d.kind, Files: d.files, Bytes: d.bytes, Digest: d.digest.Hex(),
		Snapshot: p.ref(), Source: some(p.from.place), Commit: some(p.commit), Changed: d.changed}
	return a.streams.EmitVerdict(v, false, func(t *cli.Text) { getText(v, t) })
}

func getText(v getView, t *cli.Text) {
	cells := []cli.Cell{cli.Path(v.Path)}
	if v.Type == "directory" {
		cells = append(cells, cli.Num(v.Files, "file"))
	}
	cells = append(cells, cli.Bytes(v.Bytes))
	if !v.Changed {
		cells = append(cells, cli.Str("nothing changed"))
	}
	t.Line(cells...)
}
