package gate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"mlx/internal/dataset"
)

// scoreKind says how a column of scores is written.
type scoreKind uint8

const (
	scoreUnknown scoreKind = iota // nothing but missing values so far
	scoreNumbers
	scoreLists   // [0.2, 0.8] or {"no": 0.2, "yes": 0.8}: one for each class
	scoreClasses // the predicted class itself
)

// scorePart is the scores of a batch.
type scorePart struct {
	kind    scoreKind
	values  []float64 // rows x width
	width   int
	classes []string // of the scores of a row; nil when only their order tells
	coded   *codedColumn
}

// scores reads a column of numbers, of lists of them, or of classes.
func (p *predictionsPart) scores(c *dataset.Column, rows int) scorePart {
	if !c.InTexts() || c.Type == dataset.Decimal {
		kind := scoreNumbers
		if c.Type == dataset.Null {
			kind = scoreUnknown
		}
		return scorePart{kind: kind, values: p.numbers(c, rows), width: 1}
	}
	kind := scoreUnknown
	for i := 0; i < rows && kind == scoreUnknown; i++ {
		if c.Missing.Has(i) {
			continue
		}
		kind = scoreClasses
		text := bytes.TrimSpace(c.Bytes(i))
		if len(text) > 0 && (text[0] == '[' || text[0] == '{') {
			kind = scoreLists
		} else if _, err := strconv.ParseFloat(string(text), 64); err == nil {
			kind = scoreNumbers
		}
	}
	switch kind {
	case scoreClasses:
		return scorePart{kind: kind, coded: codeColumn(c, rows)}
	case scoreLists:
		return p.scoreLists(c, rows)
	case scoreUnknown, scoreNumbers:
	}
	part := scorePart{kind: kind, width: 1, values: make([]float64, rows)}
	for i := range part.values {
		part.values[i] = math.NaN()
		if c.Missing.Has(i) {
			continue
		}
		v, err := strconv.ParseFloat(string(bytes.TrimSpace(c.Bytes(i))), 64)
		if err != nil {
			p.spoil(i, c.Name, shortValue(c.Bytes(i))+" is no number")
		}
		part.values[i] = v
	}
	return part
}

// scoreLists reads rows of as many numbers as there are classes.
func (p *predictionsPart) scoreLists(c *dataset.Column, rows int) scorePart {
	part := scorePart{kind: scoreLists}
	var row []float64
	for i := range rows {
		if c.Missing.Has(i) {
			p.spoil(i, c.Name, "the scores are missing")
			continue
		}
		var classes []string
		var err error
		if row, classes, err = scoreList(row[:0], c.Bytes(i)); err != nil {
			p.spoil(i, c.Name, err.Error())
			continue
		}
		if part.width == 0 {
			part.width, part.classes = len(row), classes
			part.values = make([]float64, 0, rows*len(row))
		}
		if len(row) != part.width || !slices.Equal(classes, part.classes) {
			p.spoil(i, c.Name, fmt.Sprintf("%d scores, not the %d of the rows before", len(row), part.width))
			continue
		}
		part.values = append(part.values, row...)
	}
	return part
}

// scoreList reads "[0.2, 0.8]", also as numpy prints it, or an object with the score of each class.
func scoreList(to []float64, text []byte) ([]float64, []string, error) {
	text = bytes.TrimSpace(text)
	if len(text) > 0 && text[0] == '{' {
		var by map[string]*float64
		if err := json.Unmarshal(text, &by); err != nil {
			return nil, nil, fmt.Errorf("%s is no object of scores", shortValue(text))
		}
		classes := slices.Sorted(maps.Keys(by))
		for i, c := range classes {
			v := math.NaN()
			if by[c] != nil {
				v = *by[c]
			}
			to = append(to, v)
			classes[i] = className(c)
		}
		return to, classes, enoughScores(to)
	}
	if len(text) < 2 || text[0] != '[' || text[len(text)-1] != ']' {
		return nil, nil, fmt.Errorf("%s is no list of scores", shortValue(text))
	}
	for word := range bytes.FieldsFuncSeq(text[1:len(text)-1], func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' }) {
		v, err := strconv.ParseFloat(string(word), 64)
		if string(word) == "null" {
			v, err = math.NaN(), nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s in a list of scores is no number", shortValue(word))
		}
		if to = append(to, v); len(to) > maxClasses {
			break
		}
	}
	return to, nil, enoughScores(to)
}

func enoughScores(scores []float64) error {
	if len(scores) < 2 || len(scores) > maxClasses {
		return fmt.Errorf("%d scores in a row, not 2 to %d", len(scores), maxClasses)
	}
	return nil
}

// scoresOf reads the columns that hold the score of one class each.
func (p *predictionsPart) scoresOf(b *dataset.Batch, columns, names []string) scorePart {
	k := len(names)
	part := scorePart{kind: scoreLists, width: k, values: make([]float64, b.Rows*k)}
	for j, name := range names {
		for i, v := range p.numbers(&b.Columns[slices.Index(columns, name)], b.Rows) {
			part.values[i*k+j] = v
		}
	}
	return part
}

// takeScores puts the scores of a batch behind those read before, which must be of the same kind.
func (r *predictionsReader) takeScores(at dataset.Span, part *predictionsPart) error {
	p, next := r.p, part.score
	if p.roles.score == "" && p.roles.scores == nil {
		return nil
	}
	if next.kind == scoreUnknown && r.kind == scoreUnknown {
		p.score = append(p.score, next.values...)
		p.width = 1
		return nil
	}
	if r.kind == scoreUnknown && p.rows == 0 {
		r.kind, p.width, p.classes = next.kind, next.width, next.classes
		if p.roles.scores != nil {
			p.classes = p.roles.classes
		}
	}
	mixed := next.kind != r.kind || next.kind == scoreLists && (next.width != p.width || p.roles.scores == nil && !slices.Equal(next.classes, p.classes))
	switch {
	case next.kind == scoreUnknown && r.kind == scoreNumbers: // a batch of missing values
	case r.kind == scoreUnknown && next.kind == scoreNumbers:
		r.kind = scoreNumbers
	case mixed:
		return r.badCell(at, badCell{column: p.roles.score, why: "scores are not written as in the rows before"})
	}
	if next.coded != nil {
		var err error
		p.class, err = r.takeCodes(p.class, next.coded, p.roles.score, maxClasses)
		return err
	}
	p.score = append(p.score, next.values...)
	return nil
}

// finish puts classes in order once all rows are read.
func (r *predictionsReader) finish() error {
	p := r.p
	for _, c := range []*codedColumn{p.label, p.class} {
		if c != nil {
			c.sorted()
		}
	}
	for _, c := range p.cuts {
		c.sorted()
	}
	if r.kind == scoreClasses {
		if p.roles.class != "" {
			return r.s.unfit("%s has classes both in %s and in %s", p.name, p.roles.class, p.roles.score).Hint("columns: {score: NAME}   # or class")
		}
		p.roles.class, p.roles.score, p.width = p.roles.score, "", 0
	}
	if p.rows > 0 && p.clusters != nil && len(p.clusters) != p.rows {
		return r.s.unfit("column %s of %s has no value in every row", p.roles.cluster, p.name)
	}
	return nil
}
