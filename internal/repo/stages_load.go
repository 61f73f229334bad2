package repo

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"mlx/internal/fault"
)

// defaultParams is the file of parameters that is read without being named, as in dvc.
const defaultParams = "params.yaml"

// maxParams bounds a file of parameters, and a dvc.yaml.
const maxParams = 4 << 20

// loader reads the files that a pipeline consists of, each once.
type loader struct {
	read   KeyReader
	params map[string]paramFile
	vars   map[string]*tree // of a whole file, by its name
}

type paramFile struct {
	tree *tree // nil when there is no such file
	err  error
}

func newLoader(read KeyReader) *loader {
	return &loader{read: read, params: map[string]paramFile{}, vars: map[string]*tree{}}
}

// readBelow reads a file of the project. No symbolic link leads it out of the project.
func (r *Repo) readBelow(name string) ([]byte, error) { return r.readInside(name, maxParams) }

// file returns the values of a file of parameters; nil when it does not exist.
func (l *loader) file(name string) (*tree, error) {
	known, ok := l.params[name]
	if !ok {
		known.tree, known.err = l.load(name)
		l.params[name] = known
	}
	return known.tree, known.err
}

func (l *loader) load(name string) (*tree, error) {
	text, err := l.read(name)
	switch {
	case errors.Is(err, fs.ErrNotExist), fault.KindOf(err) == fault.NotFound:
		return nil, nil
	case err != nil:
		return nil, fault.New(fault.KindOf(err), "cannot read %s: %w", name, bare(err)).In(fault.Position{File: name})
	}
	var t *tree
	switch path.Ext(name) {
	case ".json":
		t, err = jsonTree(name, text)
	case ".toml":
		t, err = tomlTree(name, text)
	case ".py":
		t, err = pythonTree(name, text)
	default:
		t, err = yamlTree(name, text)
	}
	if err != nil {
		return nil, err
	}
	if t.shape == nothing {
		t = newMapping(t.at)
	}
	if t.shape != mapping {
		return nil, t.fail("needs keys and values, not %s", t.describe())
	}
	return t, nil
}

// variables returns what variables mean in a stage: params.yaml beside the file, what vars of the file add, and vars of the stage.
// Nil when there are none.
func (l *loader) variables(d *stageDef) (*tree, error) {
	all, ok := l.vars[d.file]
	if !ok {
		var err error
		if all, err = l.fileVars(d); err != nil {
			return nil, err
		}
		l.vars[d.file] = all
	}
	if d.vars == nil {
		return all, nil
	}
	own := newMapping(d.at)
	if all != nil {
		own = copyTree(all)
	}
	base := d.base
	if d.folder.Value != "" && d.dvc {
		dir, _, err := (&scope{dvc: true, vars: all}).fill(d.folder, asWord)
		if err != nil {
			return nil, err
		}
		base = path.Join(d.base, dir)
	}
	return own, l.addVars(own, base, d.vars)
}

// fileVars are the variables of all stages of a file.
func (l *loader) fileVars(d *stageDef) (*tree, error) {
	params, err := l.file(path.Join(d.base, defaultParams))
	if err != nil || d.fileVars == nil {
		return params, err
	}
	all := newMapping(d.at)
	if params != nil {
		all = copyTree(params)
	}
	return all, l.addVars(all, d.base, d.fileVars)
}

// addVars adds what `vars:` lists: files, as FILE or FILE:KEY,KEY, and values; or values alone.
func (l *loader) addVars(into *tree, base string, vars *tree) error {
	switch vars.shape {
	case nothing:
		return nil
	case mapping:
		return mergeTree(into, vars)
	case single:
		return vars.fail("vars needs a list of files and values, not %s", vars.describe())
	case list:
	}
	for _, item := range vars.items {
		name, isText := item.one.value.(string)
		switch {
		case item.shape == mapping:
			if err := mergeTree(into, item); err != nil {
				return err
			}
		case item.shape == single && isText:
			if err := l.addFile(into, base, item, name); err != nil {
				return err
			}
		default:
			return item.fail("vars takes files and values, not %s", item.describe())
		}
	}
	return nil
}

func (l *loader) addFile(into *tree, base string, item *tree, word string) error {
	name, keys, some := strings.Cut(word, ":")
	name, err := projectPath(base, name)
	if err != nil {
		return item.fail("%w", err)
	}
	if name == path.Join(base, defaultParams) && !some {
		return nil // read already
	}
	values, err := l.file(name)
	if err != nil {
		return err
	}
	if values == nil {
		return item.fail("%s does not exist", name)
	}
	if !some {
		return mergeTree(into, values)
	}
	chosen := newMapping(values.at)
	for key := range strings.SplitSeq(keys, ",") {
		v := values.get(key)
		if v == nil {
			return item.fail("%s has no key %q", name, key).Hint("%s", suggestion(key, values.names, keyList(name, values.names)))
		}
		chosen.set(key, v.at, v)
	}
	return mergeTree(into, chosen)
}

func keyList(name string, keys []string) string {
	if len(keys) == 0 {
		return name + " has no keys"
	}
	return name + " has " + strings.Join(keys[:min(20, len(keys))], ", ")
}

// mergeTree adds names. A value that is there already is an error, as in dvc: which of two would count is nowhere written.
func mergeTree(into, from *tree) error {
	for i, name := range from.names {
		value := from.items[i]
		old := into.get(name)
		switch {
		case old == nil:
			into.set(name, from.spots[i], value)
		case old == value: // the same file twice
		case old.shape == mapping && value.shape == mapping:
			both := copyTree(old)
			if err := mergeTree(both, value); err != nil {
				return err
			}
			into.set(name, from.spots[i], both)
		default:
			return failIn(from.spots[i], "variable %q is already defined in %s, line %d", name, old.at.File, old.at.Line)
		}
	}
	return nil
}

// copyTree copies the top of a mapping.
func copyTree(t *tree) *tree {
	out := newMapping(t.at)
	out.names, out.spots, out.items = slices.Clone(t.names), slices.Clone(t.spots), slices.Clone(t.items)
	for name, i := range t.index {
		out.index[name] = i
	}
	return out
}
