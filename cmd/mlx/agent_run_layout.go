package main

import (
	"context"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/repo"
	"mlx/internal/run"
	"mlx/internal/snapshot"
	"mlx/internal/train"
)

// prepare lays out all that the command needs: the work tree, a project in it, data, models and the checkpoint.
func (j *agentJob) prepare(ctx context.Context) error {
	if stop, _ := j.crew.closed(); stop != nil {
		return nil // close says why
	}
	j.tell(func(t *train.Told) { t.State = toldFetching })
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-j.crew.over:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := j.project(ctx)
	if err == nil {
		err = j.layOut(ctx)
	}
	if stop, _ := j.crew.closed(); stop != nil {
		return nil
	}
	return err
}

// project makes the work tree a project without git, which records what it does for the ledger of the order.
func (j *agentJob) project(ctx context.Context) error {
	fail := func(err error) error {
		return fault.New(fault.KindOf(err), "cannot lay out job %s: %w", j.id.Short(), err)
	}
	src, state := j.source(), j.source(".mlx")
	if err := os.MkdirAll(state, 0o777); err != nil {
		return fail(err)
	}
	for _, dir := range []string{src, state} {
		if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
			return fault.New(fault.Integrity, "cannot lay out job %s: %s is no folder", j.id.Short(), dir)
		}
	}
	r := &repo.Repo{Root: src, Home: state, Shared: state, NoGit: true}
	j.inside(r)
	store, err := j.in.store()
	if err != nil {
		return err
	}
	if err := j.fetch(ctx); err != nil {
		return err
	}
	if err := j.checkoutTree(ctx, store); err != nil {
		return err
	}
	config := filepath.Join(src, repo.ConfigName)
	if !isThere(config) {
		if err := os.WriteFile(config, []byte("ledger: "+j.order.Ledger+"\n"), 0o666); err != nil {
			return fail(err)
		}
	}
	made, _, err := repo.Init(ctx, src, repo.InitOptions{NoGit: true})
	if err != nil {
		return fail(err)
	}
	cfg, err := made.Config()
	if err != nil {
		return fail(err)
	}
	if cfg.Ledger != j.order.Ledger {
		return fault.New(fault.Integrity, "cannot lay out job %s: its work tree belongs to ledger %s, not to %s", j.id.Short(), cfg.Ledger, j.order.Ledger)
	}
	settings, err := repo.LoadSettings(made, nil, "", nil)
	if err == nil {
		err = settings.Set("store", filepath.Join(j.root, "store"), false) // for what the command does with mlx
	}
	if err != nil {
		return fail(err)
	}
	*r = *made // the app that works in it stays: a store and a ledger that were opened once see each other's work
	l, err := j.in.ledger()
	if err != nil {
		return err
	}
	j.start, err = l.ImportRecord(ctx, j.start.Raw, j.id)
	return err
}

// checkoutTree makes the work tree what was sent. Data, which lies in it as well, is left alone.
func (j *agentJob) checkoutTree(ctx context.Context, store *snapshot.Store) error {
	data := map[string]bool{".mlx": true}
	for _, d := range j.body.Data {
		data[d.Path] = true
	}
	_, err := store.Checkout(ctx, snapshot.CheckoutOptions{
		Path: j.source(), To: j.order.Tree, Kind: snapshot.Directory, Force: true, ExternalLinks: true,
		Ignore: func(rel string, _ bool) bool { return data[rel] },
	})
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot lay out the work tree of job %s: %w", j.id.Short(), err)
	}
	return nil
}

// layOut brings what lies in the work tree beside the code, and beside it.
func (j *agentJob) layOut(ctx context.Context) error {
	top, err := os.OpenRoot(j.source())
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot lay out job %s: %w", j.id.Short(), err)
	}
	defer func() { _ = top.Close() }() // a folder that was only entered
	for _, d := range j.body.Data {
		if err := j.layOutData(ctx, top, d); err != nil {
			return fault.New(fault.KindOf(err), "cannot lay out data %s: %w", d.Path, err)
		}
	}
	dirs := []string{j.body.Folder}
	for _, out := range j.body.Outs {
		dirs = append(dirs, path.Dir(out))
	}
	for _, dir := range dirs {
		if err := top.MkdirAll(filepath.FromSlash(dir), 0o777); err != nil {
			return fault.New(fault.KindOf(err), "cannot make folder %s: %w", dir, err)
		}
	}
	for _, m := range j.order.Models {
		if err := j.checkout(ctx, m.Root, snapshot.Kind(m.Kind), j.modelPath(m)); err != nil {
			return fault.New(fault.KindOf(err), "cannot lay out model %s: %w", m.Name, err)
		}
	}
	return j.layOutCheckpoint(ctx)
}

// layOutData checks out one version of data at its path, which no link may lead away from.
func (j *agentJob) layOutData(ctx context.Context, top *os.Root, d run.Data) error {
	if err := plainParents(top, d.Path); err != nil {
		return fault.New(fault.Conflict, "%w", err)
	}
	info, err := top.Lstat(filepath.FromSlash(d.Path))
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return fault.New(fault.Conflict, "a link stands in its place")
	}
	kind := snapshot.Kind(d.Kind)
	if kind == "" {
		kind = snapshot.Directory
	}
	_, err = j.in.restore(ctx, j.repo, restoration{dataAt: dataAt{Path: d.Path, Root: d.Root}, kind: kind}, checkoutOptions{force: true, externalLinks: true})
	return err
}

// modelPath is where a version of a model lies for the command.
func (j *agentJob) modelPath(m train.OrderModel) string {
	at := filepath.Join(j.work, "models", filepath.FromSlash(m.Name))
	if m.Kind != string(snapshot.File) {
		return at
	}
	name := path.Base(m.Name)
	if store, err := j.in.store(); err == nil {
		if files, err := store.FS(context.Background(), m.Root); err == nil {
			if entries, err := fs.ReadDir(files, "."); err == nil && len(entries) == 1 {
				name = entries[0].Name() // programs go by the ending
			}
		}
	}
	return filepath.Join(at, name)
}

// checkout makes a path below the folder of the job a version.
func (j *agentJob) checkout(ctx context.Context, root object.Digest, kind snapshot.Kind, at string) error {
	store, err := j.in.store()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(at), 0o777); err != nil {
		return err
	}
	_, err = store.Checkout(ctx, snapshot.CheckoutOptions{Path: at, To: root, Kind: kind, Force: true})
	return err
}

// wanted are the versions that the job needs.
func (j *agentJob) wanted() []object.Digest {
	all := []object.Digest{j.order.Tree}
	for _, d := range j.body.Data {
		all = append(all, d.Root)
	}
	for _, m := range j.order.Models {
		all = append(all, m.Root)
	}
	if j.order.Resume != nil {
		all = append(all, *j.order.Resume)
	}
	all = append(all, j.body.Job.Versions...)
	slices.SortFunc(all, object.Digest.Compare)
	return slices.Compact(all)
}

// environ is the environment of the agent without what is meant for it alone.
func (j *agentJob) environ() []string {
	var all []string
	for _, v := range j.app.environ {
		switch name, _, _ := strings.Cut(v, "="); name {
		case "MLX_STORE", "MLX_REMOTE", "MLX_JOBS", train.NodeRankVariable, train.NodesVariable, train.MasterVariable, train.MasterPortVariable,
			train.SharedVariable, train.StartVariable, train.StartCountVariable, "MLX_CHECKPOINT", "MLX_METRICS", "MLX_RUN_ID", run.CauseVariable:
		default:
			all = append(all, v)
		}
	}
	return all
}

// layOutCheckpoint begins the checkpoint folder: with what the attempt before left there, else with the version to resume from.
func (j *agentJob) layOutCheckpoint(ctx context.Context) error {
	at := filepath.Join(j.work, train.CheckpointName)
	if err := os.MkdirAll(at, 0o777); err != nil {
		return fault.New(fault.KindOf(err), "cannot make the checkpoint folder: %w", err)
	}
	entries, err := os.ReadDir(at)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot read the checkpoint folder: %w", err)
	}
	root := j.order.Resume
	if j.told.Checkpoint != nil {
		root = j.told.Checkpoint
	}
	if len(j.order.Former) > j.book.Last && j.order.Resume != nil { // it went on elsewhere since: what lies here is older
		root = j.order.Resume
	} else if len(entries) > 0 {
		return nil
	}
	if root == nil {
		return nil
	}
	store, err := j.in.store()
	if err != nil {
		return err
	}
	if here, err := store.Has(ctx, *root); err != nil || !here {
		root = j.order.Resume
	}
	if root == nil {
		return nil
	}
	if err := j.checkout(ctx, *root, snapshot.Directory, at); err != nil {
		return fault.New(fault.KindOf(err), "cannot lay out the checkpoint: %w", err)
	}
	j.say("the checkpoint is version %s", root.Short())
	return nil
}
