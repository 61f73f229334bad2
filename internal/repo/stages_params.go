package repo

import (
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
	values := map[[2]string]any{} // many steps of a matrix share them
	for _, name := range chosen {
		i, ok := p.byName[name]
		if !ok {
			continue
		}
		s := &p.Steps[i]
		for n := range s.Params {
			param := &s.Params[n]
			at := [2]string{param.File, param.Key}
			v, known := values[at]
			if !known {
				t, err := p.param(s, param)
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
	}
	return nil
}

// param returns the value of a parameter, or nil when another step has yet to write it.
func (p *Pipeline) param(s *Step, param *StepParam) (*tree, error) {
	made := len(p.Makers(param.File)) > 0
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
