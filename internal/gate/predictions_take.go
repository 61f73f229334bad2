package gate

import (
	"slices"
	"strconv"

	"mlx/internal/dataset"
)

// take puts the part of the next rows behind what was read before.
func (r *predictionsReader) take(at dataset.Span, part *predictionsPart) error {
	p := r.p
	if len(p.files) == 0 || p.files[len(p.files)-1].name != at.File {
		p.files = append(p.files, predictionsFile{name: at.File, first: p.rows, row: at.Row})
	}
	const most = 1<<31 - 1
	if p.rows+part.rows > most {
		return r.s.unfit("%s has more than %d rows", p.name, most)
	}
	if part.bad != nil {
		return r.badCell(at, *part.bad)
	}
	p.ids = append(p.ids, part.ids...)
	p.actual = append(p.actual, part.actual...)
	p.weights = append(p.weights, part.weights...)
	p.clusters = append(r.codeKeys(p.roles.cluster, p.clusters, part.clusters), part.days...)
	p.queries = r.codeKeys(p.roles.query, p.queries, part.queries)
	if err := r.takeScores(at, part); err != nil {
		return err
	}
	var err error
	if p.label, err = r.takeCodes(p.label, part.label, p.roles.label, maxClasses); err != nil {
		return err
	}
	if p.class, err = r.takeCodes(p.class, part.class, p.roles.class, maxClasses); err != nil {
		return err
	}
	for i, name := range r.need.cuts {
		if p.cuts[name], err = r.takeCodes(p.cuts[name], part.cuts[i], "slice "+name, maxSlices); err != nil {
			return err
		}
	}
	for i, name := range r.need.masks {
		p.masks[name] = append(p.masks[name], part.masks[i]...)
	}
	for i, name := range r.need.means {
		p.means[name] = append(p.means[name], part.means[i]...)
	}
	p.rows += part.rows
	return nil
}

// maxClasses and maxSlices are how many values a column of classes or of slices may have.
const (
	maxClasses = 1 << 12
	maxSlices  = 200
)

// badCell is the error for a value that nothing can be made of.
func (r *predictionsReader) badCell(at dataset.Span, bad badCell) error {
	return r.s.unfit("%s row %d, column %s: %s", at.File, at.Row+int64(bad.row), bad.column, bad.why)
}

// codeKeys numbers keys in the order in which they first appear.
func (r *predictionsReader) codeKeys(name string, codes []int32, keys []rowKey) []int32 {
	if keys == nil {
		return codes
	}
	index := r.keys[name]
	if index == nil {
		index = newKeyIndex(0)
		r.keys[name] = index
	}
	for _, k := range keys {
		code, _ := index.add(k)
		codes = append(codes, code)
	}
	return codes
}

// takeCodes puts the codes of a batch behind those of the column. The batch has names of its own.
func (r *predictionsReader) takeCodes(all, part *codedColumn, name string, most int) (*codedColumn, error) {
	if part == nil {
		return all, nil
	}
	if all == nil {
		all = &codedColumn{codes: make([]int32, 0, r.known)}
		r.indexes[name] = map[string]int32{}
	}
	index := r.indexes[name]
	to := make([]int32, len(part.names))
	for i, n := range part.names {
		code, known := index[n]
		if !known {
			if len(all.names) == most {
				return nil, r.tooMany(name, most)
			}
			code = int32(len(all.names))
			index[n], all.names = code, append(all.names, n)
		}
		to[i] = code
	}
	part.recode(to)
	all.codes = append(all.codes, part.codes...)
	return all, nil
}

func (r *predictionsReader) tooMany(name string, most int) error {
	if most == maxSlices {
		return r.s.unfit("%s of %s has more than %d values", name, r.p.name, most).
			Hint("slices and groups are columns of few values: cut numbers into bands before")
	}
	return r.s.unfit("column %s of %s has more than %d classes", name, r.p.name, most).
		Hint("for labels that are numbers use a measure of regression, such as rmse")
}

// codeColumn numbers the values of a column in the order in which they appear.
func codeColumn(c *dataset.Column, rows int) *codedColumn {
	part := &codedColumn{codes: make([]int32, rows)}
	index := map[string]int32{}
	of := func(text []byte) int32 {
		code, known := index[string(text)]
		if !known {
			code = int32(len(part.names))
			name := className(string(text))
			if at := slices.Index(part.names, name); len(name) <= len("false") && at >= 0 {
				code = int32(at) // True after true
			} else {
				part.names = append(part.names, name)
			}
			index[string(text)] = code
		}
		return code
	}
	var text []byte
	var lastInt int64
	var lastCode int32 = -1
	codes := make([]int32, 0)
	if c.Codes != nil {
		codes = slices.Repeat([]int32{-1}, c.Texts.Len())
	}
	for i := range part.codes {
		switch {
		case c.Missing.Has(i):
			part.codes[i] = -1
		case c.Codes != nil:
			if codes[c.Codes[i]] < 0 {
				codes[c.Codes[i]] = of(c.Bytes(i))
			}
			part.codes[i] = codes[c.Codes[i]]
		case c.InTexts():
			part.codes[i] = of(c.Bytes(i))
		case c.Ints != nil && lastCode >= 0 && c.Ints[i] == lastInt:
			part.codes[i] = lastCode
		default:
			text = c.AppendText(text[:0], i)
			part.codes[i] = of(text)
			if c.Ints != nil {
				lastInt, lastCode = c.Ints[i], part.codes[i]
			}
		}
	}
	return part
}

// quoteText quotes what a table holds, so that it cannot be taken for words of a message.
func quoteText(text string) string { return strconv.Quote(text) }
