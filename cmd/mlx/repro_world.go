package main

import (
	"context"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/pipeline"
	"mlx/internal/repo"
	"mlx/internal/run"
	"mlx/internal/snapshot"
)

// reproWorld is the repository as a pipeline sees it: files by the workspace indexes, what was made by the ledger.
type reproWorld struct {
	app    *app
	repo   *repo.Repo
	store  *snapshot.Store
	ledger *lineage.Ledger
	graph  *pipeline.Graph
	fresh  bool           // read every byte
	remote *reproRemote   // where --pull fetches from; nil without it
	sample *sampleScratch // where --sample runs; nil without it
	on     string         // backend that --on names, of all stages; empty without it

	planOnly    bool                         // nothing is fetched or written
	restoreOnly map[string]bool              // stages that must not execute: --only names others
	foreseen    map[string]pipeline.Identity // tracked data that a plan would fetch

	here    map[object.Digest]bool // versions known to be in the store
	tracked func() (repo.Files, error)
}

func (a *app) reproWorld(ctx context.Context, g *pipeline.Graph) (*reproWorld, error) {
	w := &reproWorld{app: a, graph: g, here: map[object.Digest]bool{}, foreseen: map[string]pipeline.Identity{},
		restoreOnly: map[string]bool{}}
	var err error
	if w.repo, err = a.repo(); err != nil {
		return nil, err
	}
	if w.store, err = a.store(); err != nil {
		return nil, err
	}
	if w.ledger, err = a.ledger(); err != nil {
		return nil, err
	}
	w.tracked = sync.OnceValues(func() (repo.Files, error) { return w.repo.TrackedFiles(ctx) })
	return w, nil
}

func (w *reproWorld) world() pipeline.World {
	return pipeline.World{
		Identify: w.identify, Inside: w.inside, Made: w.made, Newest: w.newest, Changes: w.changes, Missing: w.missing,
		Params: w.params, Here: w.isHere, Restore: w.restore, Lock: w.lock,
	}
}

// root is the folder that the stages run in: the project, or a copy of it.
func (w *reproWorld) root() string {
	if w.sample != nil {
		return w.sample.dir
	}
	return w.repo.Root
}

// leftovers are folders that a stage which merely reads code makes beside it.
func leftover(name string) bool { return name == "__pycache__" || name == ".ipynb_checkpoints" }

// ignore says what does not count in a folder. Everything counts in what a stage writes: a run saves all of it.
func (w *reproWorld) ignore(dir string) (snapshot.Ignore, error) {
	if _, _, written := w.graph.Output(dir); written {
		return nil, nil
	}
	rules, err := w.repo.Matcher(dir)
	if err != nil || pointerAbove(w.repo, dir) != "" {
		return rules, err // as mlx snapshot saves it
	}
	return func(rel string, isDir bool) bool {
		return isDir && leftover(path.Base(rel)) || rules != nil && rules(rel, isDir)
	}, nil
}

func (w *reproWorld) identify(ctx context.Context, paths []string) (map[string]pipeline.Identity, error) {
	found, err := w.store.Identify(ctx, snapshot.IdentifyOptions{Dir: w.root(), Paths: paths, Ignore: w.ignore, Fresh: w.fresh})
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot look at the pipeline: %w", err)
	}
	all := make(map[string]pipeline.Identity, len(found))
	for _, p := range paths {
		if id, ok := w.foreseen[p]; ok {
			all[p] = id
		}
	}
	for p, id := range found {
		if _, _, written := w.graph.Output(p); id.Symlink && !written {
			if id, err = w.behind(ctx, p, id); err != nil {
				return nil, err
			}
		}
		all[p] = pipeline.Identity{Root: id.Root, Digest: id.Digest, Executable: id.Executable}
	}
	return all, nil
}

// behind identifies what a symbolic link leads to: that is what a command reads. One that leads nowhere is itself.
func (w *reproWorld) behind(ctx context.Context, p string, link snapshot.Identity) (snapshot.Identity, error) {
	target, err := filepath.EvalSymlinks(filepath.Join(w.root(), filepath.FromSlash(p)))
	if err != nil {
		return link, nil
	}
	name := filepath.Base(target)
	found, err := w.store.Identify(ctx, snapshot.IdentifyOptions{Dir: filepath.Dir(target), Paths: []string{name}, Fresh: w.fresh})
	if err != nil {
		return link, fault.New(fault.KindOf(err), "cannot look at %s: %w", p, err)
	}
	if id, there := found[name]; there {
		return id, nil
	}
	return link, nil
}

func (w *reproWorld) inside(ctx context.Context, out pipeline.MadeOut, inner string) (pipeline.Identity, bool, error) {
	if out.Kind == string(snapshot.Directory) && inner == "" {
		return pipeline.Identity{Root: out.Root, Digest: out.Root}, true, nil
	}
	if w.remote != nil {
		if err := w.remote.describe(ctx, out.Root); err != nil {
			return pipeline.Identity{}, false, err
		}
	}
	tree, err := w.store.FS(ctx, out.Root)
	if err != nil {
		return pipeline.Identity{}, false, err
	}
	if out.Kind == string(snapshot.File) {
		if inner != "" {
			return pipeline.Identity{}, false, nil
		}
		inner = path.Base(out.Path)
	}
	info, err := fs.Stat(tree, inner)
	if err != nil {
		return pipeline.Identity{}, false, nil
	}
	if info.IsDir() {
		root, err := w.store.Folder(ctx, out.Root, inner)
		return pipeline.Identity{Root: root, Digest: root}, err == nil, err
	}
	digest, err := w.store.FileDigest(ctx, out.Root, inner)
	return pipeline.Identity{Digest: digest, Executable: info.Mode()&0o111 != 0}, err == nil, err
}

// made finds the runs that count for keys: not those on samples, and not those whose inputs changed under them.
func (w *reproWorld) made(ctx context.Context, keys []object.Digest) (map[object.Digest][]pipeline.Made, error) {
	all := map[object.Digest][]pipeline.Made{}
	if w.sample != nil {
		return all, nil
	}
	for rec, err := range w.ledger.Mentioning(ctx, keys, run.Ended.Name()) {
		if err != nil {
			return nil, err
		}
		body, err := run.Ended.Decode(rec)
		if err != nil || body.State != run.Succeeded || body.Run == nil || body.Stage == nil || body.Stage.Sample || len(body.Stage.Disturbed) > 0 {
			continue // of no use; mlx verify tells damage
		}
		m := pipeline.Made{Run: *body.Run, At: rec.At}
		for _, o := range body.Outputs {
			m.Outs = append(m.Outs, pipeline.MadeOut{Path: o.Path, Root: o.Root, Digest: o.Digest, Kind: o.Kind})
		}
		all[body.Stage.Key] = append(all[body.Stage.Key], m)
	}
	return all, nil
}

// fewStages is up to how many stages are asked about one by one.
const fewStages = 4

// pastRuns is how many runs of one stage are looked at to find what stands there.
const pastRuns = 20

func (w *reproWorld) newest(ctx context.Context, stages []string) (map[string][]pipeline.Past, error) {
	all := map[string][]pipeline.Past{}
	if w.sample != nil {
		return all, nil
	}
	queries := []lineage.Query{{Where: `stage.name != ""`}}
	if len(stages) <= fewStages {
		queries = nil
		for _, name := range stages {
			queries = append(queries, lineage.Query{Where: "stage.name == " + strconv.Quote(name), Limit: pastRuns})
		}
	}
	wanted := map[string]bool{}
	for _, name := range stages {
		wanted[name] = true
	}
	for _, q := range queries {
		q.Nouns = []string{"run"}
		for rec, err := range w.ledger.Select(ctx, q) {
			if err != nil {
				return nil, err
			}
			if !run.Ended.Is(rec) {
				continue
			}
			body, err := run.Ended.Decode(rec)
			if err != nil || body.Run == nil || body.Stage == nil || body.Stage.Sample || !wanted[body.Stage.Name] {
				continue
			}
			if all[body.Stage.Name] = append(all[body.Stage.Name], pastOf(body)); len(all) == len(wanted) && len(stages) > fewStages {
				break
			}
		}
	}
	return all, nil
}

func pastOf(body run.Body) pipeline.Past {
	p := pipeline.Past{Run: *body.Run, Key: body.Stage.Key, State: string(body.State), Cause: body.Cause, Folder: body.Folder,
		Params: body.Params, Outs: body.Outs, Roots: map[string]object.Digest{}}
	for _, o := range body.Outputs {
		p.Roots[o.Path] = o.Root
	}
	if n := len(body.Command); n > 0 {
		p.Cmd = body.Command[n-1]
	}
	for _, d := range body.Stage.Deps {
		p.Deps = append(p.Deps, pipeline.Dep{Path: d.Path, Digest: d.Digest, Executable: d.Executable})
	}
	return p
}

// changes counts what differs in a folder.
func (w *reproWorld) changes(ctx context.Context, p string, was object.Digest) string {
	ignore, err := w.ignore(p)
	if err != nil {
		return ""
	}
	if here, err := w.store.Has(ctx, was); err != nil || !here {
		return ""
	}
	counts := map[snapshot.Action]int64{}
	o := snapshot.StatusOptions{Path: filepath.Join(w.root(), filepath.FromSlash(p)), Base: was, Kind: snapshot.Directory, Ignore: ignore}
	for c, err := range w.store.Status(ctx, o) {
		if err != nil {
			return ""
		}
		counts[c.Action]++
	}
	var words []string
	for _, action := range []snapshot.Action{snapshot.Added, snapshot.Changed, snapshot.Removed} {
		if n := counts[action]; n > 0 {
			words = append(words, cli.FormatNum(n, "file")+" "+string(action))
		}
	}
	return strings.Join(words, ", ")
}

// isHere says whether the outputs of a run are in the store, or at the remote that --pull fetches from.
func (w *reproWorld) isHere(ctx context.Context, m pipeline.Made) (bool, error) {
	for _, o := range m.Outs {
		if w.here[o.Root] {
			continue
		}
		here, err := w.store.Has(ctx, o.Root)
		if err == nil && !here && w.remote != nil {
			here, err = w.remote.holds(ctx, o.Root)
		}
		if err != nil || !here {
			return false, err
		}
		w.here[o.Root] = true
	}
	return true, nil
}

// missing brings tracked data that is not there, if --pull says so, else says what does.
func (w *reproWorld) missing(ctx context.Context, s pipeline.Stage, dep string) error {
	if w.sample != nil {
		return w.noSample(s, dep)
	}
	if above := pointerAbove(w.repo, dep); above != "" && w.remote != nil {
		if _, err := os.Lstat(w.abs(dep)); err == nil {
			return nil // it came with another part of the same data
		}
		pointer, _, err := w.app.pointerAt(w.repo, above)
		if err != nil {
			return err
		}
		if w.planOnly {
			return w.foresee(ctx, dep, pipeline.MadeOut{Path: above, Root: pointer.Root, Digest: pointer.Root, Kind: string(pointer.Kind)})
		}
		return w.remote.bring(ctx, part{path: above, root: pointer.Root, kind: pointer.Kind})
	}
	if err := w.app.missingDeps(ctx, []pipeline.Stage{s}, nil); err != nil {
		return err
	}
	return fault.New(fault.NotFound, "cannot run stage %s: there is no %s%s", s.Name, dep, s.Line()).In(s.At)
}

// foresee notes what will stand where tracked data is missing: a plan does not fetch it.
func (w *reproWorld) foresee(ctx context.Context, dep string, data pipeline.MadeOut) error {
	id, there, err := w.inside(ctx, data, strings.TrimPrefix(strings.TrimPrefix(dep, data.Path), "/"))
	if err == nil && !there {
		err = fault.New(fault.NotFound, "cannot find %s: version %s of %s does not hold it", w.app.shown(dep), data.Root.Short(), w.app.shown(data.Path))
	}
	w.foreseen[dep] = id
	return err
}

// params reads the parameters of a stage again, of which a stage before has written the file.
func (w *reproWorld) params(ctx context.Context, s pipeline.Stage) ([]pipeline.Param, error) {
	p, err := w.app.readPipeline(ctx)
	if err != nil {
		return nil, err
	}
	step, err := p.LateParams(s.Name)
	if err != nil {
		return nil, err
	}
	return paramsOf(step), nil
}

// known says whether a version is one that some record names: nothing is lost when it goes.
func (w *reproWorld) known(ctx context.Context, root object.Digest) (bool, error) {
	for _, kind := range []string{run.Ended.Name(), snapshotSaved.Name()} {
		for _, err := range w.ledger.Mentioning(ctx, []object.Digest{root}, kind) {
			return err == nil, err
		}
	}
	return false, nil
}
