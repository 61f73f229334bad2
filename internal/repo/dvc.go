package repo

import (
	"context"
	"path"
	"slices"
	"strings"

	"mlx/internal/fault"
)

// DvcName is the name of the files in which dvc keeps its pipelines.
const DvcName = "dvc.yaml"

// dvcFiles lists the dvc.yaml files of the project, relative to Root and sorted: those that git has in its index, and those that a
// walk finds which enters no data, no ignored folder and no other project.
func (r *Repo) dvcFiles(ctx context.Context) ([]string, error) {
	rules, err := r.excludes()
	if err != nil {
		return nil, err
	}
	w := pointerWalk{ctx: ctx, root: r.Root, also: DvcName}
	if err := w.walk("", rules); err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot look for %s: %w", DvcName, err)
	}
	found := w.found
	if !r.NoGit {
		entries, err := r.indexOf(ctx, worktree{dir: r.WorkTree, gitDir: r.GitDir})
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if rel, below := strings.CutPrefix(e.path, r.prefix()); below && path.Base(rel) == DvcName {
				found = append(found, rel)
			}
		}
	}
	other := map[string]bool{".": false}
	found = slices.DeleteFunc(found, func(name string) bool {
		return path.Base(name) != DvcName || r.otherProject(path.Dir(name), other) || !isFile(r.Abs(name))
	})
	slices.Sort(found)
	return slices.Compact(found), nil
}

// dvcDefs reads the stages of a dvc.yaml.
func (l *loader) dvcDefs(file string) ([]stageDef, error) {
	text, err := l.read(file)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read %s: %w", file, bare(err))
	}
	top, err := yamlTree(file, text)
	if err != nil {
		return nil, err
	}
	return dvcStages(file, top)
}

// dvcStages makes definitions of a dvc.yaml. What dvc takes and mlx has no use for is checked by name only.
func dvcStages(file string, top *tree) ([]stageDef, error) {
	if err := knownKeys(top, "stages", "vars", "plots", "params", "metrics", "artifacts", "datasets"); err != nil {
		return nil, err
	}
	stages := top.get("stages")
	if stages == nil || stages.shape == nothing {
		return nil, nil
	}
	if stages.shape != mapping {
		return nil, stages.fail("stages needs keys and values, not %s", stages.describe())
	}
	var defs []stageDef
	for i, name := range stages.names {
		d := stageDef{file: file, base: path.Dir(file), dvc: true, name: name, at: stages.spots[i], fileVars: top.get("vars")}
		body := stages.items[i]
		if each := body.get("foreach"); each != nil || body.get("do") != nil {
			if err := knownKeys(body, "foreach", "do"); err != nil {
				return nil, err
			}
			d.foreach = each
			if body = body.get("do"); each == nil || body == nil {
				return nil, failIn(d.at, "stage %s needs both foreach and do", name)
			}
		}
		if err := dvcStage(&d, body); err != nil {
			return nil, err
		}
		defs = append(defs, d)
	}
	return defs, nil
}

// knownKeys refuses a key that is none of those known.
func knownKeys(t *tree, known ...string) error {
	if t.shape != mapping {
		return t.fail("needs keys and values, not %s", t.describe())
	}
	for i, name := range t.names {
		if !slices.Contains(known, name) {
			return failIn(t.spots[i], "unknown key %q", name).Hint("%s", suggestion(name, known, "Keys are "+strings.Join(known, ", ")))
		}
	}
	return nil
}

// dvcStage reads the body of a stage.
func dvcStage(d *stageDef, t *tree) error {
	if err := knownKeys(t, "cmd", "wdir", "deps", "outs", "params", "metrics", "plots", "vars", "matrix", "frozen", "always_changed", "desc", "meta"); err != nil {
		return err
	}
	f := dvcReader{d: d}
	cmd := t.get("cmd")
	if cmd == nil {
		return failIn(d.at, "stage %s has no cmd", d.name)
	}
	if d.cmds = f.texts(cmd, "cmd"); cmd.shape == single {
		d.cmds = []Text{f.text(cmd, "cmd")}
	}
	if len(d.cmds) == 0 && f.err == nil {
		return cmd.fail("stage %s has no command", d.name)
	}
	if w := t.get("wdir"); w != nil {
		d.folder = f.text(w, "wdir")
	}
	d.deps = f.texts(t.get("deps"), "deps")
	f.outs(t.get("outs"), "outs", false)
	f.outs(t.get("metrics"), "metrics", true)
	f.outs(t.get("plots"), "plots", false)
	f.params(t.get("params"))
	d.frozen, d.always = f.flag(t.get("frozen"), "frozen"), f.flag(t.get("always_changed"), "always_changed")
	d.matrix, d.vars = t.get("matrix"), t.get("vars")
	return f.err
}

// dvcReader reads the fields of one stage and keeps the first error.
type dvcReader struct {
	d   *stageDef
	err error
}

func (f *dvcReader) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *dvcReader) text(t *tree, key string) Text {
	if t.shape != single {
		f.fail(t.fail("%s needs a single value, not %s", key, t.describe()))
		return Text{}
	}
	return Text{t.one.text, t.at}
}

// texts reads a list; a single value is none, but no error here.
func (f *dvcReader) texts(t *tree, key string) []Text {
	switch {
	case t == nil || t.shape == nothing, t.shape == single && key == "cmd":
		return nil
	case t.shape != list:
		f.fail(t.fail("%s needs a list, not %s", key, t.describe()))
		return nil
	}
	all := make([]Text, len(t.items))
	for i, item := range t.items {
		all[i] = f.text(item, key)
	}
	return all
}

func (f *dvcReader) flag(t *tree, key string) bool {
	if t == nil {
		return false
	}
	yes, ok := t.one.value.(bool)
	if !ok {
		f.fail(t.fail("%s needs true or false, not %s", key, t.describe()))
	}
	return yes
}

// outs reads outputs: a path, or a path with options. A plot may have a list of them.
func (f *dvcReader) outs(t *tree, key string, metrics bool) {
	switch {
	case t == nil || t.shape == nothing:
		return
	case t.shape != list:
		f.fail(t.fail("%s needs a list, not %s", key, t.describe()))
		return
	}
	for _, item := range t.items {
		if item.shape != mapping {
			f.d.outs = append(f.d.outs, outDef{Text: f.text(item, key), metrics: metrics})
			continue
		}
		for i, name := range item.names {
			out := outDef{Text: Text{name, item.spots[i]}, metrics: metrics}
			f.outOptions(&out, item.items[i], key == "plots")
			f.d.outs = append(f.d.outs, out)
		}
	}
}

func (f *dvcReader) outOptions(out *outDef, t *tree, plot bool) {
	switch {
	case t.shape == nothing:
		return
	case plot && t.shape == list:
		for _, item := range t.items {
			f.outOptions(out, item, plot)
		}
		return
	}
	known := []string{"cache", "persist", "remote", "push", "desc", "type", "labels", "meta", "checkpoint"}
	if plot {
		known = append(known, "template", "x", "y", "x_label", "y_label", "title", "header")
	}
	if err := knownKeys(t, known...); err != nil {
		f.fail(err)
		return
	}
	if cache := t.get("cache"); cache != nil {
		out.inGit = !f.flag(cache, "cache")
	}
	out.persist = out.persist || f.flag(t.get("persist"), "persist") || f.flag(t.get("checkpoint"), "checkpoint")
}

// params reads keys of params.yaml, and of other files as FILE: [KEY, ...]; a file without keys is all of it.
func (f *dvcReader) params(t *tree) {
	switch {
	case t == nil || t.shape == nothing:
		return
	case t.shape != list:
		f.fail(t.fail("params needs a list, not %s", t.describe()))
		return
	}
	for _, item := range t.items {
		if item.shape != mapping {
			key := f.text(item, "params")
			f.d.params = append(f.d.params, paramDef{Text{defaultParams, item.at}, key})
			continue
		}
		for i, name := range item.names {
			file, keys := Text{name, item.spots[i]}, item.items[i]
			if keys.shape == nothing || keys.shape == list && len(keys.items) == 0 {
				f.d.params = append(f.d.params, paramDef{file, Text{"", file.At}})
			}
			for _, key := range f.texts(keys, "params") {
				f.d.params = append(f.d.params, paramDef{file, key})
			}
		}
	}
}
