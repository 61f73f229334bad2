package repo

import (
	"strconv"
	"strings"
	"unicode"
)

// maxName bounds the name of a stage.
const maxName = 500

// instance is one of the stages that a matrix or a list makes.
type instance struct {
	name  string // behind the @; empty without a matrix
	local map[string]*tree
	order []string
}

// expand makes the steps of a definition.
func (l *loader) expand(d *stageDef, emit func(Step) error) error {
	if err := checkStageName(d); err != nil {
		return err
	}
	vars, err := l.variables(d)
	if err != nil {
		return err
	}
	s := scope{dvc: d.dvc, vars: vars, env: d.env, strict: d.matrix != nil || d.foreach != nil || d.vars != nil || d.fileVars != nil}
	if d.matrix != nil && d.foreach != nil {
		return failIn(d.at, "stage %s has both matrix and foreach", d.name)
	}
	n := 0
	each := func(i instance) error {
		if n++; n > maxSteps {
			return failIn(d.at, "stage %s makes more than %d stages", d.name, maxSteps)
		}
		inner := s
		inner.local, inner.order = i.local, i.order
		step, err := d.step(&inner, i)
		if err != nil {
			return err
		}
		return emit(step)
	}
	switch {
	case d.matrix != nil:
		return d.eachMatrix(&s, each)
	case d.foreach != nil:
		return d.eachItem(&s, each)
	}
	return each(instance{local: map[string]*tree{}})
}

func checkStageName(d *stageDef) error {
	bad := func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(`@:/,\*?[]`, r)
	}
	if d.name == "" || len(d.name) > maxName || strings.HasPrefix(d.name, "-") || strings.ContainsFunc(d.name, bad) {
		return failIn(d.at, "a stage cannot be called %q", d.name).Hint(`names have no space and none of @ : / , \ * ? [ ]`)
	}
	return nil
}

// eachMatrix makes every combination, the last key fastest.
func (d *stageDef) eachMatrix(s *scope, each func(instance) error) error {
	m, err := s.resolveTree(d.matrix)
	if err != nil {
		return err
	}
	if m.shape != mapping {
		return m.fail("matrix needs keys with lists of values, not %s", m.describe())
	}
	if len(m.names) == 0 {
		return failIn(d.at, "the matrix of stage %s is empty", d.name)
	}
	total := 1
	for i, values := range m.items {
		if values.shape != list {
			return values.fail("%s of the matrix needs a list, not %s", m.names[i], values.describe())
		}
		if len(values.items) == 0 {
			return failIn(m.spots[i], "%s of the matrix has no values", m.names[i])
		}
		if total *= len(values.items); total > maxSteps {
			return failIn(m.at, "the matrix of stage %s makes more than %d stages", d.name, maxSteps)
		}
		if err := distinct(values); err != nil {
			return err
		}
	}
	at := make([]int, len(m.items))
	for range total {
		if err := each(d.combination(m, at)); err != nil {
			return err
		}
		for k := len(at) - 1; k >= 0; k-- {
			if at[k]++; at[k] < len(m.items[k].items) {
				break
			}
			at[k] = 0
		}
	}
	return nil
}

func (d *stageDef) combination(m *tree, at []int) instance {
	item := newMapping(m.at)
	var words []string
	for k, name := range m.names {
		value := m.items[k].items[at[k]]
		item.set(name, m.spots[k], value)
		word := strconv.Itoa(at[k])
		if value.shape == single || value.shape == nothing {
			word, _ = wordOf(value, asWord)
			if !d.dvc {
				word = name + "=" + word
			}
		} else if d.dvc {
			word = name + word
		} else {
			word = name + "=" + word
		}
		words = append(words, word)
	}
	sep := ","
	if d.dvc {
		sep = "-"
	}
	i := instance{name: strings.Join(words, sep), local: map[string]*tree{"item": item}, order: []string{"item", "key"}}
	i.local["key"] = textTree(m.at, i.name)
	if !d.dvc {
		for k, name := range m.names {
			i.local[name] = item.items[k]
		}
		i.order = append(i.order, m.names...)
	}
	return i
}

// eachItem makes one step for each element of a list or each key of a mapping.
func (d *stageDef) eachItem(s *scope, each func(instance) error) error {
	f, err := s.resolveTree(d.foreach)
	if err != nil {
		return err
	}
	if f.shape != mapping && f.shape != list {
		return f.fail("foreach needs a list or keys with values, not %s", f.describe())
	}
	if len(f.items) == 0 {
		return failIn(d.at, "foreach of stage %s is empty", d.name)
	}
	simple := true
	for _, item := range f.items {
		simple = simple && (item.shape == single || item.shape == nothing)
	}
	if f.shape == list && simple {
		if err := distinct(f); err != nil {
			return err
		}
	}
	for n, item := range f.items {
		i := instance{local: map[string]*tree{"item": item}, order: []string{"item"}}
		switch {
		case f.shape == mapping:
			i.name = f.names[n]
		case simple:
			i.name, _ = wordOf(item, asWord)
		default: // a list of keys and values: numbered
			i.name = strconv.Itoa(n)
		}
		if f.shape == mapping || !d.dvc {
			i.local["key"] = textTree(item.at, i.name)
			i.order = append(i.order, "key")
		}
		if err := each(i); err != nil {
			return err
		}
	}
	return nil
}

// distinct refuses a list with a value twice: both would have one name.
func distinct(values *tree) error {
	seen := make(map[string]bool, len(values.items))
	for _, v := range values.items {
		if v.shape != single {
			continue
		}
		word := formatScalar(v.one.value)
		if seen[word] {
			return v.fail("%q is in the list twice", word)
		}
		seen[word] = true
	}
	return nil
}

// resolveTree puts variables into the values of a matrix or a list. A value that is one variable becomes all that it stands for.
func (s *scope) resolveTree(t *tree) (*tree, error) {
	switch t.shape {
	case single:
		text, ok := t.one.value.(string)
		if !ok || !strings.Contains(text, "${") {
			return t, nil
		}
		at := Text{text, t.at}
		pieces, err := cutTemplate(at, s.dvc)
		if err != nil {
			return nil, err
		}
		if len(pieces) == 1 && pieces[0].path != nil {
			if found := s.find(pieces[0].path); found != nil {
				return found, nil
			}
		}
		filled, _, err := s.fill(at, asWord)
		return textTree(t.at, filled), err
	case list, mapping:
		out := *t
		out.items = make([]*tree, len(t.items))
		for i, item := range t.items {
			var err error
			if out.items[i], err = s.resolveTree(item); err != nil {
				return nil, err
			}
		}
		return &out, nil
	case nothing:
	}
	return t, nil
}

// step puts the variables of one instance into a definition.
func (d *stageDef) step(s *scope, i instance) (Step, error) {
	out := Step{Name: d.group(), Group: d.group(), Timeout: d.timeout, Retries: d.retries, On: d.on, Needs: d.needs, Always: d.always, Frozen: d.frozen, At: d.at}
	if i.name != "" {
		out.Name += "@" + i.name
	}
	if len(out.Name) > maxName || strings.ContainsFunc(out.Name, unicode.IsControl) {
		return out, failIn(d.at, "%.60q cannot be the name of a stage", out.Name)
	}
	if !d.dvc {
		if _, taken := s.local["name"]; !taken {
			s.local["name"] = textTree(d.at, out.Name)
			s.order = append(s.order, "name")
		}
	}
	base, folder, err := d.folders(s)
	if err != nil {
		return out, err
	}
	out.Folder = folder
	f := filler{d: d, s: s, base: base}
	f.commands(&out)
	for _, dep := range d.deps {
		out.Deps = append(out.Deps, f.place(dep, strings.TrimSuffix))
	}
	for _, o := range d.outs {
		out.Outs = append(out.Outs, StepOut{f.place(o.Text, nil), o.metrics, o.persist, o.inGit})
	}
	for _, p := range d.params {
		file := f.place(p.file, nil)
		out.Params = append(out.Params, StepParam{File: file.Path, Key: f.word(p.key), At: p.key.At})
	}
	for name, value := range d.register.All() {
		if out.Register == nil {
			out.Register = map[string]string{}
		}
		out.Register[name] = f.place(value, nil).Path
	}
	return out, f.err
}
