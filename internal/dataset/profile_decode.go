package dataset

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"unicode/utf8"

	"mlx/internal/fault"
)

// MaxProfile bounds the document that DecodeProfile reads.
const MaxProfile = 512 << 20

// IsProfile says whether a file that begins so is a profile.
func IsProfile(head []byte) bool { return bytes.HasPrefix(head, []byte(`{"kind":"`+ProfileKind+`"`)) }

// DecodeProfile reads what Encode writes, and nothing else.
func DecodeProfile(doc []byte) (*Profile, error) {
	if len(doc) > MaxProfile {
		return nil, badProfile("it is larger than 512 MiB")
	}
	var d profileDoc
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return nil, badProfile(err.Error())
	}
	if d.Kind != ProfileKind {
		return nil, badProfile("it is of the kind " + d.Kind)
	}
	if d.Rows < 0 || d.Rows > math.MaxInt64/4 || d.Exact < 1 || d.Exact > 1<<20 || d.Texts < 1 || d.Texts > 1<<20 || d.Size < 2 || d.Size > 1<<22 {
		return nil, badProfile("a number is out of range")
	}
	p := &Profile{rows: d.Rows, limits: profileLimits{d.Exact, d.Texts, d.Size}}
	names := make(map[string]bool, len(d.Columns))
	for _, cd := range d.Columns {
		c, why := cd.column(p)
		if why == "" && names[cd.Name] {
			why = "it stands there twice"
		}
		if why != "" {
			return nil, badProfile("column " + quoteShort(cd.Name) + ": " + why)
		}
		names[cd.Name] = true
		p.columns = append(p.columns, c)
	}
	if again, err := p.Encode(); err != nil || !bytes.Equal(again, doc) {
		return nil, badProfile("it is not written as mlx writes it")
	}
	return p, nil
}

func badProfile(why string) error {
	return fault.New(fault.Usage, "cannot read a profile: %s", why)
}

func quoteShort(s string) string {
	if len(s) > 60 {
		s = s[:60] + "…"
	}
	b, err := json.Marshal(s)
	if err != nil {
		return "?"
	}
	return string(b)
}

// column reads a column, or says why it is none.
func (d profileColumnDoc) column(p *Profile) (*profileColumn, string) {
	t, ok := ParseType(d.Type)
	if !ok || d.Scale < -400 || d.Scale > 400 {
		return nil, "its type is not known"
	}
	c := newProfileColumn(Field{Name: d.Name, Type: t, Scale: d.Scale, Naive: d.Naive, Wide: d.Wide}, d.Private)
	c.missing, c.nan, c.plusInf, c.minusInf = d.Missing, d.NaN, d.PlusInf, d.MinusInf
	left := p.rows
	for _, n := range []int64{d.Missing, d.NaN, d.PlusInf, d.MinusInf} {
		if n < 0 || n > left {
			return nil, "its counts are not those of its rows"
		}
		left -= n
	}
	if (c.numbers != nil) != (d.Numbers != nil) || (c.texts != nil) != (d.Texts != nil) || d.Hidden != "" && !d.Private {
		return nil, "it does not hold what its type says"
	}
	switch {
	case c.numbers != nil:
		return c, d.Numbers.read(c.numbers, left, p.limits)
	case c.texts != nil:
		return c, d.Texts.read(c.texts, left, p.limits)
	case c.private:
		return c, readRegisters(d.Hidden, &c.hidden)
	case left != 0:
		return nil, "a column without a type has a value"
	}
	return c, ""
}

func (d *profileNumbersDoc) read(n *profileNumbers, count int64, limits profileLimits) string {
	sum, ok := parseSketchSum(d.Sum)
	squares, also := parseSketchSum(d.Squares)
	switch {
	case !ok || !also:
		return "a sum is malformed"
	case d.Count != count || d.Zeros < 0 || d.Negatives < 0 || d.Zeros > count || d.Negatives > count-d.Zeros:
		return "its counts are not those of its rows"
	case d.Low > d.High || !n.holds(d.Low) || !n.holds(d.High):
		return "its range is none"
	case (d.Exact == nil) == (d.Sketch == nil):
		return "it does not hold what its type says"
	}
	n.count, n.zeros, n.negatives, n.low, n.high, n.sum, n.squares = d.Count, d.Zeros, d.Negatives, d.Low, d.High, *sum, *squares
	n.rising = n.count == 0
	if d.Exact == nil {
		return d.Sketch.read(n, limits)
	}
	return d.Exact.readInto(n, limits)
}

// readInto reads values that are all counted, and checks what was said of them.
func (d *profileRunsDoc) readInto(n *profileNumbers, limits profileLimits) string {
	runs, ok := d.read()
	if !ok || len(runs.keys) > limits.exact || !n.within(runs.keys) {
		return "its values are malformed"
	}
	if total, ok := sumCounts(runs.counts); !ok || total != n.count {
		return "its counts are not those of its rows"
	}
	again := &profileNumbers{field: n.field}
	again.addUp(runs)
	if len(runs.keys) > 0 {
		again.low, again.high = runs.keys[0], runs.keys[len(runs.keys)-1]
	}
	if again.low != n.low || again.high != n.high || again.zeros != n.zeros || again.negatives != n.negatives || again.sum != n.sum ||
		again.squares != n.squares {
		return "its sums are not those of its values"
	}
	n.exact = &runs
	return ""
}

// holds says whether a key is one of the column's type.
func (n *profileNumbers) holds(key uint64) bool {
	switch {
	case n.count == 0 && key == 0:
		return true
	case profileFloats(n.field):
		v := sketchFloatOf(key)
		return v-v == 0 && sketchFloatKey(v) == key
	case n.field.Type == Bool:
		return key == sketchIntKey(0) || key == sketchIntKey(1)
	}
	return true
}

func (n *profileNumbers) within(keys []uint64) bool {
	for _, key := range keys {
		if key < n.low || key > n.high || !n.holds(key) {
			return false
		}
	}
	return true
}

func (d *profileSketchDoc) read(n *profileNumbers, limits profileLimits) string {
	if len(d.Levels) > 62 || len(d.Levels) != len(d.Turns) || d.Slack < 0 || d.Short < 0 || d.Slack > math.MaxInt64/4 || d.Short > math.MaxInt64/4 {
		return "its sketch is malformed"
	}
	levels := &sketchLevels{size: limits.size, slack: d.Slack, turns: d.Turns}
	var total int64
	for h, text := range d.Levels {
		keys, ok := readKeys(text)
		if !ok || len(keys) > limits.size || !n.within(keys) || d.Turns[h] < 0 || d.Turns[h] > math.MaxInt64/4 || int64(len(keys)) > (n.count-total)>>h {
			return "its sketch is malformed"
		}
		total += int64(len(keys)) << h
		levels.levels = append(levels.levels, keys)
	}
	top, ok := d.Top.read()
	if !ok || len(top.keys) > sketchCounters || total != n.count || !n.within(top.keys) {
		return "its sketch is malformed"
	}
	if often, ok := sumCounts(top.counts); !ok || often > n.count {
		return "its counts are not those of its rows"
	}
	n.exact, n.levels, n.top = nil, levels, sketchTop[uint64]{top.items(), d.Short}
	n.repeated, n.rising, n.first, n.last = d.Repeated, d.Rising, d.First, d.Last
	return readRegisters(d.Distinct, &n.distinct)
}

func (d *profileTextsDoc) read(t *profileTexts, count int64, limits profileLimits) string {
	switch {
	case d.Count != count || d.Empty < 0 || d.Empty > count || d.Letters < 0 || d.Shortest < 0 || d.Longest < d.Shortest:
		return "its counts are not those of its rows"
	case d.Low > d.High || !isProfileText(d.Low) || !isProfileText(d.High):
		return "its range is none"
	case (d.Exact == nil) == (d.Sketch == nil):
		return "it does not hold what its type says"
	}
	t.count, t.empty, t.low, t.high = d.Count, d.Empty, d.Low, d.High
	t.shortest, t.longest, t.letters = d.Shortest, d.Longest, d.Letters
	if d.Exact != nil {
		items, ok := d.Exact.read()
		total, also := sumCounts(d.Exact.Counts)
		if !ok || !also || total != count || len(items) > limits.texts {
			return "its values are malformed"
		}
		for _, it := range items {
			t.exact[it.key] = it.count
		}
		return ""
	}
	items, ok := d.Sketch.Top.read()
	often, also := sumCounts(d.Sketch.Top.Counts)
	if !ok || !also || len(items) > sketchCounters || often > count || d.Sketch.Short < 0 || d.Sketch.Short > math.MaxInt64/4 || len(d.Sketch.Some) > sketchKept {
		return "its sketch is malformed"
	}
	t.exact, t.top, t.repeated = nil, sketchTop[string]{items, d.Sketch.Short}, d.Sketch.Repeated
	for _, key := range d.Sketch.Some {
		if !isProfileText(key) {
			return "its sketch is malformed"
		}
		t.some.add(sketchHashBytes([]byte(key)), key)
	}
	return readRegisters(d.Sketch.Distinct, &t.distinct)
}

// longestProfileText is the longest text that sketchTextKey makes.
const longestProfileText = 512

func isProfileText(s string) bool { return len(s) <= longestProfileText && utf8.ValidString(s) }

func (d *profileItemsDoc) read() ([]sketchItem[string], bool) {
	if len(d.Values) != len(d.Counts) || !slices.IsSorted(d.Values) {
		return nil, false
	}
	items := make([]sketchItem[string], 0, len(d.Values))
	for i, key := range d.Values {
		if !isProfileText(key) || i > 0 && key == d.Values[i-1] || d.Counts[i] < 1 {
			return nil, false
		}
		items = append(items, sketchItem[string]{key, d.Counts[i]})
	}
	return items, true
}

func (d *profileRunsDoc) read() (sketchRuns, bool) {
	keys, ok := readKeys(d.Keys)
	if !ok {
		return sketchRuns{}, false
	}
	for i := 1; i < len(keys); i++ {
		if keys[i] == keys[i-1] {
			return sketchRuns{}, false
		}
	}
	raw, ok := readVarints(d.Counts)
	if !ok || len(raw) != len(keys) {
		return sketchRuns{}, false
	}
	counts := make([]int64, len(raw))
	for i, n := range raw {
		if n < 1 || n > math.MaxInt64/4 {
			return sketchRuns{}, false
		}
		counts[i] = int64(n)
	}
	return sketchRuns{keys, counts}, true
}

// sumCounts adds counts, each of which is at least 1, unless that goes out of range.
func sumCounts(counts []int64) (int64, bool) {
	var total int64
	for _, n := range counts {
		if n < 1 || n > math.MaxInt64/2-total {
			return 0, false
		}
		total += n
	}
	return total, true
}

func readKeys(text string) ([]uint64, bool) {
	keys, ok := readVarints(text)
	for i := 1; i < len(keys) && ok; i++ {
		keys[i] += keys[i-1]
		ok = keys[i] >= keys[i-1]
	}
	return keys, ok
}

func readVarints(text string) ([]uint64, bool) {
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, false
	}
	all := make([]uint64, 0, len(raw)/2)
	for len(raw) > 0 {
		v, n := binary.Uvarint(raw)
		if n <= 0 {
			return nil, false
		}
		all, raw = append(all, v), raw[n:]
	}
	return all, true
}

func readRegisters(text string, d *sketchDistinct) string {
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(raw) != 0 && len(raw) != sketchRegisters {
		return "its sketch is malformed"
	}
	for _, r := range raw {
		if r > 64-sketchDistinctBits+1 {
			return "its sketch is malformed"
		}
	}
	if len(raw) > 0 {
		d.registers = raw
	}
	return ""
}
