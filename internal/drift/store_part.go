package drift

import (
	"mlx/internal/dataset"
)

// chosen are the rows of a batch that count: all of them, or those of a list.
type chosen struct {
	n    int
	list []int32 // nil: all
}

func (r chosen) at(k int) int {
	if r.list == nil {
		return k
	}
	return int(r.list[k])
}

// partScratch is memory that is used again for each batch.
type partScratch struct {
	chosen []int32
	ids    []uint32 // of each entry of a dictionary what stands for it in rows; 0: not seen
	local  map[string]uint32
	text   []byte
}

func (c *columnPart) reset() {
	c.missing, c.nan, c.plusInf, c.minusInf = 0, 0, 0, 0
	c.keys, c.rows, c.times = c.keys[:0], c.rows[:0], c.times[:0]
	c.words.Reset()
}

// numbers takes the values of a batch. byRow also keeps which row has one.
func (c *columnPart) numbers(from *dataset.Column, rows chosen, byRow bool) {
	if cap(c.keys) < rows.n {
		c.keys = make([]uint64, 0, rows.n)
	}
	if rows.list == nil && from.Missing == nil && !byRow && c.allNumbers(from, rows.n) {
		return
	}
	floats := floatKeys(from.Field)
	for k := range rows.n {
		i := rows.at(k)
		class := rowValue
		switch {
		case from.Type == dataset.Null || from.Missing.Has(i):
			class = rowMissing
		case floats:
			v := from.Number(i)
			if class = floatClass(v); class == rowValue {
				c.keys = append(c.keys, floatKey(v))
			}
		case from.Type == dataset.Uint:
			c.keys = append(c.keys, uint64(from.Ints[i]))
		default:
			c.keys = append(c.keys, intKey(from.Ints[i]))
		}
		c.count(class)
		if byRow {
			c.rows = append(c.rows, class)
		}
	}
}

// allNumbers is numbers of a batch that lacks none, in a hurry. It says false when there is more to it.
func (c *columnPart) allNumbers(from *dataset.Column, rows int) bool {
	keys := c.keys[:rows]
	switch from.Type {
	case dataset.Float:
		for i, v := range from.Floats[:rows] {
			if v-v != 0 {
				return false
			}
			keys[i] = floatKey(v)
		}
	case dataset.Int, dataset.Date, dataset.Time, dataset.Clock:
		for i, v := range from.Ints[:rows] {
			keys[i] = intKey(v)
		}
	default:
		return false
	}
	c.keys = keys
	return true
}

// categories counts the words of a batch.
func (c *columnPart) categories(from *dataset.Column, rows chosen, byRow bool, s *partScratch) {
	switch {
	case from.Codes != nil && from.InTexts() && from.Texts.Len() <= rows.n:
		c.coded(from, rows, byRow, s)
	default:
		c.spelled(from, rows, byRow, s)
	}
}

// coded looks at each entry of a dictionary once.
func (c *columnPart) coded(from *dataset.Column, rows chosen, byRow bool, s *partScratch) {
	n := from.Texts.Len()
	if cap(s.ids) < n {
		s.ids = make([]uint32, n)
	}
	ids := s.ids[:n]
	clear(ids)
	for k := range rows.n {
		i := rows.at(k)
		id := rowMissing
		if from.Missing.Has(i) {
			c.missing++
		} else {
			code := from.Codes[i]
			if id = ids[code]; id == 0 {
				id = c.word(categoryWord(s.text, from.Texts.At(int(code))))
				ids[code] = id
			}
			c.times[id-firstWord]++
		}
		if byRow {
			c.rows = append(c.rows, id)
		}
	}
}

// word takes one more word and returns what stands for it in rows.
func (c *columnPart) word(word []byte) uint32 {
	c.words.Append(word)
	c.times = append(c.times, 0)
	return firstWord + uint32(len(c.times)-1)
}

// spelled looks at the text of every row.
func (c *columnPart) spelled(from *dataset.Column, rows chosen, byRow bool, s *partScratch) {
	if s.local == nil {
		s.local = make(map[string]uint32)
	}
	clear(s.local)
	for k := range rows.n {
		i := rows.at(k)
		id := categoryClass(from, i)
		if id == rowValue {
			id = c.spell(from, i, s)
		} else {
			c.count(id)
		}
		if byRow {
			c.rows = append(c.rows, id)
		}
	}
}

func categoryClass(from *dataset.Column, i int) uint32 {
	switch {
	case from.Type == dataset.Null || from.Missing.Has(i):
		return rowMissing
	case from.Type == dataset.Float:
		return floatClass(from.Floats[i])
	}
	return rowValue
}

// spell counts the word of a row and returns what stands for it in rows.
func (c *columnPart) spell(from *dataset.Column, i int, s *partScratch) uint32 {
	var word []byte
	if from.InTexts() {
		word = from.Bytes(i)
	} else {
		s.text = from.AppendText(s.text[:0], i)
		word = s.text
	}
	word = categoryWord(nil, word)
	id, ok := s.local[string(word)]
	if !ok {
		id = c.word(word)
		s.local[string(word)] = id
	}
	c.times[id-firstWord]++
	return id
}

// lacking counts what a column lacks whose words are too many to be looked at.
func (c *columnPart) lacking(from *dataset.Column, rows chosen, byRow bool) {
	for k := range rows.n {
		class := categoryClass(from, rows.at(k))
		c.count(class)
		if byRow {
			c.rows = append(c.rows, class)
		}
	}
}

// cut leaves only some of the rows; it must have been filled by row.
func (c *columnPart) cut(kind Kind, from, to int) {
	before, values := 0, 0
	rows := c.rows[from:to]
	c.missing, c.nan, c.plusInf, c.minusInf = 0, 0, 0, 0
	clear(c.times)
	for _, id := range rows {
		switch {
		case id >= firstWord:
			c.times[id-firstWord]++
		case id == rowValue:
			values++
		default:
			c.count(id)
		}
	}
	if kind == Numbers {
		for _, class := range c.rows[:from] {
			if class == rowValue {
				before++
			}
		}
		c.keys = c.keys[before : before+values]
	}
	c.rows = rows
}
