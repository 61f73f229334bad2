package gate

import (
	"math"
	"slices"
	"strconv"
)

// classify finds the classes of the rows, and which of them is positive.
func (g *golden) classify(production *predictions) error {
	label := g.table.label
	if label == nil {
		return nil
	}
	all := slices.Clone(label.names)
	for _, p := range []*predictions{g.table, production} {
		if p == nil {
			continue
		}
		if p.class != nil {
			all = append(all, p.class.names...)
		}
		all = append(all, p.classes...)
	}
	slices.SortFunc(all, compareNames)
	all = slices.Compact(all)
	if len(all) > maxClasses {
		return g.s.unfit("%s has more than %d classes", g.table.name, maxClasses)
	}
	if g.s.spec.Positive == nil && (len(all) > 2 || g.table.width > 2) {
		g.classes = g.numbered(all)
	} else if err := g.twoClasses(all); err != nil {
		return err
	}
	g.names, g.labels = label.names, g.recoded(label)
	return nil
}

// numbered adds the classes 0, 1, 2, ... for which a row has a score and which no label has.
func (g *golden) numbered(all []string) []string {
	if g.table.classes != nil || g.table.width <= len(all) {
		return all
	}
	every := make([]string, g.table.width)
	for k := range every {
		every[k] = strconv.Itoa(k)
	}
	for _, name := range all {
		if !slices.Contains(every, name) {
			return all
		}
	}
	return every
}

// twoClasses sets the positive class and the other. With a positive class that is named all others count as one.
func (g *golden) twoClasses(all []string) error {
	g.binary = true
	if g.s.spec.Positive != nil {
		positive := scalarText(g.s.spec.Positive)
		if same := map[string]string{"1": "true", "true": "1", "0": "false", "false": "0"}[positive]; !slices.Contains(all, positive) && slices.Contains(all, same) {
			positive = same
		}
		if !slices.Contains(all, positive) && len(all) > 1 {
			return g.s.unfit("no row of %s has the positive label %q (%s)", g.table.name, positive, place(g.s.spec.At)).In(g.s.spec.At).
				Hint("the labels are %s", list(all))
		}
		g.classes = []string{otherClass(all, positive), positive}
		return nil
	}
	switch {
	case len(all) == 0:
		g.classes = []string{"0", "1"}
	case len(all) == 1 && (all[0] == "1" || all[0] == "true"):
		g.classes = []string{map[string]string{"1": "0", "true": "false"}[all[0]], all[0]}
	case len(all) == 1:
		g.classes = []string{all[0], map[string]string{"0": "1", "false": "true"}[all[0]]}
	case all[0] == "1":
		return g.s.unfit("the labels of %s are %s: it is not clear which is positive", g.table.name, list(all)).Hint("positive: %s", all[1])
	default:
		g.classes = all
	}
	return nil
}

func otherClass(all []string, positive string) string {
	others := slices.DeleteFunc(slices.Clone(all), func(n string) bool { return n == positive })
	if len(others) == 1 {
		return others[0]
	}
	return "not " + positive
}

// recoded is a column of classes in the codes of the golden rows.
func (g *golden) recoded(c *codedColumn) []int32 {
	if g.classes == nil {
		return nil
	}
	to := make([]int32, len(c.names))
	for i, name := range c.names {
		to[i] = int32(slices.Index(g.classes, name))
		if g.binary {
			to[i] = 0
			if name == g.classes[1] {
				to[i] = 1
			}
		}
	}
	codes := make([]int32, len(c.codes))
	for i, code := range c.codes {
		if codes[i] = -1; code >= 0 {
			codes[i] = to[code]
		}
	}
	return codes
}

// scoresOf sets the scores of a model: of the positive class, or of each class in the order of the classes.
func (g *golden) scoresOf(p *predictions, a *answers) error {
	a.scores, a.width = p.score, p.width
	if g.s.spec.Logits {
		a.scores = slices.Clone(a.scores)
		probability(a.scores, a.width)
	}
	if g.classes == nil {
		if a.width > 1 {
			return g.s.unfit("%s has %d scores in a row, where a number is judged", p.name, a.width)
		}
		return nil
	}
	switch {
	case g.binary && a.width > 1:
		k, err := g.positiveColumn(p)
		if err != nil {
			return err
		}
		one := make([]float64, len(a.scores)/a.width)
		for i := range one {
			one[i] = a.scores[i*a.width+k]
		}
		a.scores, a.width = one, 1
	case !g.binary && a.width == 1:
		return g.classesAsNumbers(p, a)
	case !g.binary:
		return g.ordered(p, a)
	}
	return nil
}

// positiveColumn is which of the scores of a row is that of the positive class.
func (g *golden) positiveColumn(p *predictions) (int, error) {
	names := p.classes
	if names == nil {
		names = g.names
		if len(names) < p.width && p.width == 2 {
			names = g.classes
		}
	}
	k := slices.Index(names, g.classes[1])
	if k < 0 || len(names) != p.width {
		return 0, g.s.unfit("%s has %d scores in a row for the labels %s: it is not clear which is of %q", p.name, p.width, list(names), g.classes[1]).
			Hint("columns: {score: \"p_*\"}   # one column a class, called p_CLASS")
	}
	return k, nil
}

// ordered puts the scores of each row into the order of the classes.
func (g *golden) ordered(p *predictions, a *answers) error {
	names := p.classes
	if names == nil {
		names = g.classes
	}
	if len(names) != p.width {
		return g.s.unfit("%s has %d scores in a row for %d classes: %s", p.name, p.width, len(names), list(names)).
			Hint("columns: {score: \"p_*\"}   # one column a class, called p_CLASS")
	}
	if slices.Equal(names, g.classes) {
		return nil
	}
	from := a.scores
	k := len(g.classes)
	a.scores, a.width = make([]float64, len(from)/p.width*k), k
	for to, class := range g.classes {
		at := slices.Index(names, class)
		if at < 0 {
			return g.s.unfit("%s has no score of class %q", p.name, class).Hint("it has those of %s", list(names))
		}
		for i := range len(from) / p.width {
			a.scores[i*k+to] = from[i*p.width+at]
		}
	}
	return nil
}

// classesAsNumbers takes a single number a row for the predicted class: of more than two classes it cannot be a score.
func (g *golden) classesAsNumbers(p *predictions, a *answers) error {
	a.scores, a.width = nil, 0
	if a.predicted != nil {
		return nil
	}
	predicted := make([]int32, len(p.score))
	for i, v := range p.score {
		if predicted[i] = -1; math.IsNaN(v) {
			continue
		}
		k := slices.Index(g.classes, strconv.FormatFloat(v, 'f', -1, 64))
		if k < 0 {
			return g.s.unfit("%s, column %s: %v is none of the classes %s", p.place(i), p.roles.score, v, list(g.classes)).
				Hint("several classes need a score each: columns p_CLASS, or lists")
		}
		predicted[i] = int32(k)
	}
	a.predicted, a.declared = predicted, true
	return nil
}
