package repo

import (
	"mlx/internal/fault"
	"strings"
)

// ReadParams fills in the values of the parameters of steps, by their names; none means all. A file or a key that is not there
// is an error, unless another step writes the file.
func (p *Pipeline) ReadParams(chosen []string) error {
	if chosen == nil {
		for i := range p.Steps {
			chosen = append(chosen, p.Steps[i].Name)
		}
	}
	values := paramValues{}
	for _, name := range chosen {
		if i, ok := p.byName[name]; ok {
			if err := p.readParams(&p.Steps[i], values, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// TryParams is ReadParams of all steps; of those whose parameters cannot be read it returns why, by their place in Steps.
func (p *Pipeline) TryParams() map[int]error {
	bad := map[int]error{}
	values := paramValues{}
	for i := range p.Steps {
		if err := p.readParams(&p.Steps[i], values, true); err != nil {
			bad[i] = err
		}
	}
	return bad
}

// LateParams reads the parameters of a step again from the files that other steps write, which have ended by now.
func (p *Pipeline) LateParams(name string) (*Step, error) {
	s, ok := p.Step(name)
	if !ok {
		return nil, fault.New(fault.NotFound, "cannot find stage %q", name)
	}
	for _, param := range s.Params {
		if len(p.Makers(param.File)) > 0 {
			delete(p.load.params, param.File)
		}
	}
	return s, p.readParams(s, paramValues{}, false)
}

// paramValues are parameters by file and key: many steps of a matrix share them.
type paramValues map[[2]string]any

// readParams fills in the values of a step. early: what another step has yet to write may be missing.
func (p *Pipeline) readParams(s *Step, values paramValues, early bool) error {
	for n := range s.Params {
		param := &s.Params[n]
		at := [2]string{param.File, param.Key}
		v, known := values[at]
		if !known {
			t, err := p.param(s, param, early)
			if err != nil {
				return err
			}
			if param.Missing = t == nil; param.Missing {
				continue
			}
			v = t.plain()
			values[at] = v
		}
		param.Value, param.Missing = v, false
	}
	return nil
}

// param returns the value of a parameter, or nil when another step has yet to write it.
func (p *Pipeline) param(s *Step, param *StepParam, early bool) (*tree, error) {
	made := early && len(p.Makers(param.File)) > 0
	t, err := p.load.file(param.File)
	switch {
	case err != nil && made:
		return nil, nil // half written, perhaps: the step that writes it comes first
	case err != nil:
		return nil, err
	case t == nil && made:
		return nil, nil
	case t == nil:
		return nil, failIn(param.At, "stage %s needs %s, which does not exist", s.Name, paramName(param)).
			Hint("edit %s   # one line a parameter: key: value", shellWord(param.File))
	case param.Key == "":
		return t, nil
	}
	path := strings.Split(param.Key, ".")
	found, last, rest := t.walk(path)
	if found != nil || made {
		return found, nil
	}
	above := strings.TrimSuffix(strings.TrimSuffix(param.Key, strings.Join(rest, ".")), ".")
	known := make([]string, len(last.names))
	for i, name := range last.names {
		if known[i] = name; above != "" {
			known[i] = above + "." + name
		}
	}
	return nil, failIn(param.At, "%s has no key %q", param.File, param.Key).
		Hint("%s", suggestion(param.Key, known, keyList(param.File, known)))
}

func paramName(p *StepParam) string {
	if p.Key == "" {
		return p.File
	}
	return p.Key + " of " + p.File
}
