package gate

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"mlx/internal/fault"
)

// Choose returns the gates called names, in that order; a name may be a pattern. Without names it is all of them.
func Choose(specs []Spec, names []string) ([]Spec, error) {
	if len(specs) == 0 {
		return nil, fault.New(fault.NotFound, "cannot judge: mlx.yaml has no gates").
			Hint("mlx help gate   # shows how one is written")
	}
	if len(names) == 0 {
		return specs, nil
	}
	known := make([]string, len(specs))
	for i, s := range specs {
		known[i] = s.Name
	}
	var chosen []Spec
	for _, name := range names {
		fits := slices.DeleteFunc(slices.Clone(specs), func(s Spec) bool { return !fits(name, s.Name) })
		if len(fits) == 0 {
			err := fault.New(fault.NotFound, "cannot judge %s: there is no gate of that name", name)
			near := fault.Nearest(name, known)
			switch {
			case near == "" && len(known) == 1:
				return nil, err.Hint("the only gate is %s", known[0])
			case near == "":
				return nil, err.Hint("there are %s", list(known))
			case len(known) == 1:
				return nil, err.Hint("did you mean %q?", near)
			}
			return nil, err.Hint("did you mean %q? There are %s", near, list(known))
		}
		for _, fit := range fits {
			if !slices.ContainsFunc(chosen, func(s Spec) bool { return s.Name == fit.Name }) {
				chosen = append(chosen, fit)
			}
		}
	}
	return chosen, nil
}

// fits says whether a gate is meant by a word: its name, or a pattern such as 'prod-*'.
func fits(word, name string) bool {
	ok, err := path.Match(word, name)
	return word == name || err == nil && ok
}

// list writes names as a person does: "auc, brier and log_loss", at most eight of them.
func list(names []string) string {
	const most = 8
	switch n := len(names); {
	case n == 1:
		return names[0]
	case n > most:
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", n-most)
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

func place(p fault.Position) string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s line %d", p.File, p.Line)
}
