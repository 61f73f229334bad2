package dataset

// textColumn is a column of a batch of a text file with the memory that it reuses.
type textColumn struct {
	Column
	bits  Bits
	texts Texts
	codes []uint32
	dict  textDict
	loose bool // the type is the user's: other ways to write a value of it are fine
}

// fill converts the words of a column into the type f. It returns the index of the first word that does not fit, or -1.
func (c *textColumn) fill(r *textRules, f Field, words []word, buf []byte) int {
	c.Field, c.Missing, c.Codes, c.Texts = f, nil, nil, nil
	c.Ints, c.Floats = c.Ints[:0], c.Floats[:0]
	n := (len(words) + 63) >> 6
	if cap(c.bits) < n {
		c.bits = make(Bits, n)
	}
	c.bits = c.bits[:n]
	clear(c.bits)
	if c.InTexts() {
		return c.fillTexts(r, words, buf)
	}
	switch f.Type {
	case Null:
		return c.fillNull(r, words, buf)
	case Float:
		return c.fillFloats(r, words, buf)
	default:
		return c.fillInts(r, words, buf)
	}
}

// lacks marks a row without a value.
func (c *textColumn) lacks(i int) {
	c.bits.Set(i)
	c.Missing = c.bits
}

// absent says whether word w holds no value for a column that is no text, where blanks mean nothing.
func (r *textRules) absent(w word, v []byte) bool {
	switch w.kind {
	case wordMissing:
		return true
	case wordRaw:
		return r.missing(v) || len(v) > 0 && (v[0] == ' ' || v[0] == '\t' || v[len(v)-1] == ' ' || v[len(v)-1] == '\t') && r.missing(trimWord(v))
	default:
		return false
	}
}

// plain says that a word is neither missing nor has blanks around it, as most are, by its first and last byte alone.
func (r *textRules) plain(w word, v []byte) bool {
	return w.kind == wordRaw && len(v) > 0 && !r.nullFirst[v[0]] && v[0] > ' ' && v[len(v)-1] > ' '
}

// admits says whether a word of a kind may become a value of a type that nobody fixed: text in quotes is no number in JSON.
func (t Type) admits(kind wordKind) bool {
	switch kind {
	case wordString:
		return t == Date || t == Time || t == Clock || t == Text
	case wordNumber:
		return t == Int || t == Float || t == Decimal || t == Text
	case wordBool:
		return t == Bool || t == Text
	case wordNested:
		return t == Nested || t == Text
	default:
		return true
	}
}

func (c *textColumn) refuses(w word) bool {
	if c.loose {
		return w.kind == wordNested && c.Type < Text
	}
	return w.kind > wordMissing && !c.Type.admits(w.kind)
}

func (c *textColumn) fillNull(r *textRules, words []word, buf []byte) int {
	c.Ints = zeros(c.Ints, len(words))
	for i, w := range words {
		if !r.absent(w, buf[w.at:w.end]) {
			return i
		}
		c.lacks(i)
	}
	return -1
}

// zeros returns a slice of n zeros in the memory of s.
func zeros(s []int64, n int) []int64 {
	if cap(s) < n {
		return make([]int64, n)
	}
	s = s[:n]
	clear(s)
	return s
}

func (c *textColumn) fillFloats(r *textRules, words []word, buf []byte) int {
	if cap(c.Floats) < len(words) {
		c.Floats = make([]float64, len(words))
	}
	c.Floats = c.Floats[:len(words)]
	for i, w := range words {
		v := buf[w.at:w.end]
		if !r.plain(w, v) {
			if r.absent(w, v) {
				c.lacks(i)
				c.Floats[i] = 0
				continue
			}
			if c.refuses(w) {
				return i
			}
			v = trimWord(v)
		}
		f, ok := parseFloat(v)
		if !ok && c.loose {
			f, ok = looseFloat(v)
		}
		if !ok {
			return i
		}
		c.Floats[i] = f
	}
	return -1
}

// fillInts converts into the types that are whole numbers of something.
func (c *textColumn) fillInts(r *textRules, words []word, buf []byte) int {
	c.Ints = zeros(c.Ints, len(words))
	for i, w := range words {
		v := buf[w.at:w.end]
		if !r.plain(w, v) {
			if r.absent(w, v) {
				c.lacks(i)
				continue
			}
			if c.refuses(w) {
				return i
			}
			v = trimWord(v)
		}
		n, ok := c.whole(r, v)
		if !ok {
			return i
		}
		c.Ints[i] = n
	}
	return -1
}

// whole parses a word as a whole number of what the type counts.
func (c *textColumn) whole(r *textRules, v []byte) (int64, bool) {
	switch c.Type {
	case Int:
		if n, ok := parseInt(v); ok || !c.loose {
			return n, ok
		}
		return looseInt(v)
	case Bool:
		if b, ok := parseBool(v); ok || !c.loose {
			return b, ok
		}
		return looseBool(v)
	case Uint:
		return parseUint(v)
	case Decimal:
		return parseDecimal(v, c.Scale)
	case Date:
		return parseDate(v)
	case Clock:
		return parseClock(v)
	case Time:
		n, naive, ok := r.parseTime(v)
		if ok {
			return n, naive == c.Naive
		}
		days, ok := parseDate(v)
		if !ok {
			return 0, false
		}
		if n, ok = midnight(days); !ok {
			return 0, false
		}
		if r.zone != nil {
			return r.inZone(n), !c.Naive
		}
		return n, c.Naive
	default:
		return 0, false
	}
}

// fillTexts converts into what stands in Texts.
func (c *textColumn) fillTexts(r *textRules, words []word, buf []byte) int {
	c.texts.Reset()
	if c.Type == Text || c.Type == Bytes {
		if c.dict.fill(c, r, words, buf) {
			return -1
		}
		c.Missing = nil
		clear(c.bits)
		c.texts.Reset()
	}
	c.Texts = &c.texts
	for i, w := range words {
		v := buf[w.at:w.end]
		if w.kind == wordMissing || w.kind == wordRaw && (r.missing(v) || c.Type == Decimal && r.absent(w, v)) {
			c.lacks(i)
			c.texts.Append(nil)
			continue
		}
		if !c.appendText(w, v) {
			return i
		}
	}
	return -1
}

func (c *textColumn) appendText(w word, v []byte) bool {
	switch c.Type {
	case Decimal:
		v = trimWord(v)
		if !c.loose && (!isInteger(v) || c.refuses(w)) {
			return false
		}
		if len(c.texts.Offsets) == 0 {
			c.texts.Offsets = append(c.texts.Offsets, 0)
		}
		var ok bool
		c.texts.Bytes, ok = wideDecimal(c.texts.Bytes, v, c.Scale)
		c.texts.Offsets = append(c.texts.Offsets, uint32(len(c.texts.Bytes)))
		return ok
	case Nested:
		if w.kind == wordNested { // canonical already
			break
		}
		plain, err := canonicalJSON(nil, v)
		if err != nil || !c.loose {
			return false
		}
		v = plain
	default:
	}
	c.texts.Append(v)
	return true
}
