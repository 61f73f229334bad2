package main

import (
	"context"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/snapshot"
)

type modelRegisterOptions struct {
	name string
	ref  string
	why  string
}

func newModelRegister(a *app) *cobra.Command {
	var o modelRegisterOptions
	cmd := &cobra.Command{
		Use:   "register NAME REF",
		Short: "Make the next version of a model from a run's output or a path",
		Long: `REF is RUN:PATH, a run with one output or model, stage:NAME:PATH, a snapshot, a version of a model, or a path; a file of the work
tree that no run wrote is saved first. The version names the run that made it and the versions of models that this run read,
which it was derived from. The same bytes of the same run are registered once.`,
		Example: `mlx model register flights @last:model.pkl
mlx model register flights @last:model.pkl -m "deeper trees"
mlx model register flights ./model.pkl`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name, o.ref = args[0], args[1]
			return modelRegisterRun(cmd.Context(), a, o)
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return a.completeModels(cmd, args, typed)
			}
			return a.completeRefs(cmd, args, typed)
		},
	}
	cmd.Flags().StringVarP(&o.why, "message", "m", "", "`DESCRIPTION` of the version")
	return cmd
}

// completeModels offers the names of models.
func (a *app) completeModels(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, word := range a.versionsKnown(cmd.Context(), true) {
		if name, what, _ := strings.Cut(word, "\t"); what == "model" {
			names = append(names, name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// registeredView is a version that was just registered: model/v1, and whether it is new.
type registeredView struct {
	modelView
	Changed bool `json:"changed"`
}

func modelRegisterRun(ctx context.Context, a *app, o modelRegisterOptions) error {
	if err := registry.CheckName(o.name); err != nil {
		return err
	}
	c, err := a.candidate(ctx, o.ref)
	if err != nil {
		return err
	}
	defer c.release()
	c.body.Model, c.body.Message = o.name, strings.TrimSpace(o.why)
	v, fresh, err := a.register(ctx, c)
	if err != nil {
		return err
	}
	view := registeredView{viewOfVersion(v), fresh}
	return a.streams.EmitVerdict(view, false, func(t *cli.Text) { registeredText(v, fresh, t) })
}

func registeredText(v *registry.Version, fresh bool, t *cli.Text) {
	if !fresh {
		t.Line(cli.Fmt("nothing changed: %s has these bytes", cli.Str(v.Name())), cli.ID(v.Digest))
		return
	}
	cells := []cli.Cell{cli.Fmt("registered %s", cli.Str(v.Name())), cli.ID(v.Digest)}
	if v.Path != "" {
		cells = append(cells, cli.Path(v.Path))
	}
	cells = append(cells, cli.Bytes(v.Bytes))
	if v.Format != "" {
		cells = append(cells, cli.Str(v.Format))
	}
	if v.Run != nil {
		cells = append(cells, cli.Fmt("run %s", cli.ID(*v.Run)))
	}
	for _, p := range v.From {
		cells = append(cells, cli.Fmt("from %s", cli.Str(p.Model+"@v"+numberWord(p.Version))))
	}
	t.Line(cells...)
}

// register makes the next version, unless the newest facts say that there is nothing to do: the same bytes of the same run are one
// version. Bytes that another run made again are a version of their own: it has other metrics, and another history.
func (a *app) register(ctx context.Context, c candidate) (*registry.Version, bool, error) {
	r, err := a.registry()
	if err != nil {
		return nil, false, err
	}
	m, err := r.Model(ctx, c.body.Model)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return nil, false, err
	}
	if m != nil {
		for _, v := range m.Live() {
			if v.Digest != c.body.Digest || !sameRun(v.Run, c.body.Run) {
				continue
			}
			_, err := m.Version(v.Version)
			switch {
			case err == nil:
				return v, false, nil
			case c.from != nil && c.from.Record == v.Record: // its number means another one as well
				v, err := r.Renumber(ctx, v)
				return v, err == nil, err
			}
			return nil, false, err
		}
	}
	if c.body.Run != nil && len(c.body.From) == 0 {
		if c.body.From, err = a.parentsOf(ctx, r, *c.body.Run, c.body.Digest); err != nil {
			return nil, false, err
		}
	}
	v, err := r.Register(ctx, c.body)
	return v, err == nil, err
}

func sameRun(a, b *object.Digest) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// parentsOf lists the versions of models that a run read: what it was given or loaded as such, and data whose bytes are those of
// a version. Of bytes that several versions have, each of them. A run that reads what it writes is no parent of itself.
func (a *app) parentsOf(ctx context.Context, r registry.Registry, id object.Digest, own object.Digest) ([]registry.Parent, error) {
	rec, err := a.recordOfRun(ctx, id)
	if err != nil {
		return nil, err
	}
	body, ok := runBody(rec)
	if !ok {
		return nil, nil
	}
	var all []registry.Parent
	add := func(p registry.Parent) {
		for _, old := range all {
			if old.Record == p.Record {
				return
			}
		}
		all = append(all, p)
	}
	for _, u := range body.Used {
		p := registry.Parent{Model: u.Model, Version: u.Version, Digest: u.Root, Record: u.Record}
		if reg, err := r.Ledger.Get(ctx, u.Record); err == nil {
			if b, err := registry.Registered.Decode(reg); err == nil {
				p.Digest = b.Digest
			}
		}
		add(p)
	}
	for _, d := range body.Data {
		found, err := r.Of(ctx, d.Root)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 && d.Kind == string(snapshot.File) { // the snapshot of a file holds its name as well
			if found, err = a.versionsOfFile(ctx, r, d.Root); err != nil {
				return nil, err
			}
		}
		for _, v := range found {
			if v.Digest != own {
				add(registry.Parent{Model: v.Model, Version: v.Version, Digest: v.Digest, Record: v.Record})
			}
		}
	}
	return all[:min(len(all), maxParents)], nil
}

// versionsOfFile lists the versions that have the bytes of a file, whatever it is called.
func (a *app) versionsOfFile(ctx context.Context, r registry.Registry, root object.Digest) ([]*registry.Version, error) {
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	files, err := store.FS(ctx, root)
	if lacksObject(err) {
		return nil, nil // only its name is known here
	}
	if err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(files, ".")
	if err != nil || len(entries) != 1 {
		return nil, err
	}
	digest, err := store.FileDigest(ctx, root, entries[0].Name())
	if err != nil {
		return nil, err
	}
	return r.Of(ctx, digest)
}

// maxParents bounds how many versions one may name that it was derived from.
const maxParents = 64

// recordOfRun is the newest record of a run.
func (a *app) recordOfRun(ctx context.Context, id object.Digest) (lineage.Record, error) {
	l, err := a.ledger()
	if err != nil {
		return lineage.Record{}, err
	}
	v, err := a.history(l).Get(ctx, id)
	if err != nil {
		return lineage.Record{}, err
	}
	return l.Get(ctx, v.Record)
}
