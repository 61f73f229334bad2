package audit

import (
	"bytes"
	"slices"
)

// answer is what a model said of each instance.
type answer struct {
	grid
	score, class int    // columns that hold them; -1: none can be told
	explained    []byte // JSON that stands beside what was predicted; nil: none
}

// Names under which servers give probabilities and classes.
var (
	scoreNames = []string{"score", "probability", "predict_proba", "proba", "prob", "confidence"}
	listNames  = []string{"probabilities", "probability", "predict_proba", "proba", "output_probability", "prediction", "predictions", "scores"}
	classNames = []string{"class", "label", "predicted_class", "output_label", "predicted_label"}
)

// read makes a grid of the body of an answer, and tells score and class where it can. It returns false where nothing can be made of it.
func (a *answer) read(body []byte) bool {
	a.reset()
	a.score, a.class, a.explained = -1, -1, nil
	n, err := a.parser.parse(body)
	if err != nil || !a.content(&n) || a.wide || a.rows == 0 {
		return false
	}
	a.tell()
	return true
}

func (a *answer) content(n *node) bool {
	if n.kind != '{' {
		return a.rowsOf(n, "prediction")
	}
	for _, name := range []string{"explanations", "explanation"} {
		if e := n.get(name); e != nil && a.explained == nil && (n.get("predictions") != nil || n.get("outputs") != nil) {
			a.explained = e.raw
		}
	}
	if outputs := n.get("outputs"); outputs != nil && isTensors(outputs) {
		return a.tensors(outputs)
	}
	for _, name := range []string{"predictions", "outputs"} {
		list := n.get(name)
		switch {
		case list == nil:
		case list.kind == '{':
			return a.byColumn(list)
		default:
			return a.rowsOf(list, "prediction")
		}
	}
	return a.record(n)
}

// tell finds the score and the class. Of two probabilities the second one is the score: that of the class 1. A single output is one or the
// other by its type; a number of which no type is said is a score.
func (a *answer) tell() {
	a.class = a.named(classNames)
	a.score = a.named(scoreNames)
	if a.score < 0 {
		for _, name := range listNames {
			second := a.find([]byte(`"` + name + `_1"`))
			if second >= 0 && a.find([]byte(`"`+name+`_0"`)) >= 0 && a.find([]byte(`"`+name+`_2"`)) < 0 {
				a.score = second
				break
			}
		}
	}
	for i := range a.columns {
		switch c := &a.columns[i]; {
		case len(a.columns) > 2 || i == a.score || i == a.class:
		case a.class < 0 && (c.whole || !c.numbers()) && (len(a.columns) == 1 || a.score >= 0 || a.columns[1-i].numbers()):
			a.class = i
		case a.score < 0 && !c.whole && c.numbers():
			a.score = i
		}
	}
	if a.score >= 0 && !a.columns[a.score].numbers() {
		a.score = -1
	}
}

// named is the column with one of some names.
func (a *answer) named(names []string) int {
	return slices.IndexFunc(a.columns, func(c column) bool {
		return slices.ContainsFunc(names, func(name string) bool {
			return len(c.name) == len(name)+2 && bytes.EqualFold(c.name[1:len(c.name)-1], []byte(name))
		})
	})
}

// numbers says whether a column holds numbers only.
func (c *column) numbers() bool {
	return !slices.ContainsFunc(c.cells, func(cell []byte) bool {
		return len(cell) == 0 || cell[0] != '-' && (cell[0] < '0' || cell[0] > '9')
	})
}
