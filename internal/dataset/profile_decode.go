package dataset

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"unicode/utf8"

	"mlx/internal/fault"
)

// MaxProfile bounds the document that DecodeProfile reads.
const MaxProfile = 512 << 20

// profileKinds begins the kind of a profile of any version.
const profileKinds = "profile.data/"

// IsProfile says whether a file that begins so is a profile, of whatever version.
func IsProfile(head []byte) bool { return bytes.HasPrefix(head, []byte(`{"kind":"`+profileKinds)) }

// DecodeProfile reads what Encode writes, and nothing else.
func DecodeProfile(doc []byte) (*Profile, error) {
	if len(doc) > MaxProfile {
		return nil, badProfile("it is larger than 512 MiB")
	}
	line, rest, _ := bytes.Cut(doc, []byte("\n"))
	if head := []byte(`{"kind":"` + ProfileKind + `"`); IsProfile(doc) && !bytes.HasPrefix(doc, head) {
		return nil, fault.New(fault.Usage, "cannot read a profile: it is not of the kind %s, but of another version of mlx", ProfileKind).
			Hint("mlx profile TABLE -o FILE.prof   # makes a new one")
	}
	var d profileDoc
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return nil, badProfile(err.Error())
	}
	if d.Kind != ProfileKind {
		return nil, badProfile("it is of the kind " + d.Kind)
	}
	p := &Profile{rows: d.Rows, limits: profileLimitsFor(len(d.Columns))}
	if d.Rows < 0 || d.Rows > math.MaxInt64/4 || d.Cells < 1 || d.Cells > p.limits.cells {
		return nil, badProfile("a number is out of range")
	}
	p.limits.cells = d.Cells
	if !d.Shards.read(p) {
		return nil, badProfile("its shards are malformed")
	}
	names := make(map[string]bool, len(d.Columns))
	for _, cd := range d.Columns {
		if cd.Bytes < 0 || cd.Bytes > len(rest) {
			return nil, badProfile("column " + quoteShort(cd.Name) + ": its end is missing")
		}
		c, why := cd.column(p, rest[:cd.Bytes])
		if why == "" && names[cd.Name] {
			why = "it stands there twice"
		}
		if why != "" {
			return nil, badProfile("column " + quoteShort(cd.Name) + ": " + why)
		}
		rest = rest[cd.Bytes:]
		names[cd.Name] = true
		p.columns = append(p.columns, c)
	}
	if again, err := d.line(); err != nil || !bytes.Equal(again, doc[:min(len(line)+1, len(doc))]) || len(rest) > 0 {
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
func (d profileColumnDoc) column(p *Profile, coded []byte) (*profileColumn, string) {
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
	if (c.numbers != nil) != (d.Numbers != nil) || (c.texts != nil) != (d.Texts != nil) {
		return nil, "it does not hold what its type says"
	}
	r, why := newSketchReader(coded), ""
	switch {
	case c.numbers != nil:
		c.hold(p.limits)
		if why = d.Numbers.read(c.numbers, left, r); why == "" {
			why = readStretches(p, d.Numbers.Stretches, &c.numbers.stretches, left, func(s profileStretchDoc) (profileOrder[uint64], bool) {
				items, ok := c.numbers.readTop(s.Top, r)
				return profileOrder[uint64]{top: sketchTop[uint64]{items, s.Short}, rising: s.Rising, first: s.First, last: s.Last}, ok
			})
		}
	case c.texts != nil:
		m := newSketchLetters()
		if why = d.Texts.read(c.texts, left, p.limits, m, r); why == "" {
			why = readStretches(p, d.Texts.Stretches, &c.texts.stretches, left, func(s profileStretchDoc) (profileOrder[string], bool) {
				items, ok := readItems(m, s.Top, r)
				return profileOrder[string]{top: sketchTop[string]{items, s.Short}}, ok && !s.Rising && s.First == 0 && s.Last == 0
			})
		}
	case c.private && len(coded) > 0:
		why = readRegisters(r, &c.hidden)
	case left != 0 && !c.private:
		return nil, "a column without a type has a value"
	default:
		return c, ""
	}
	if why == "" && len(r.in) > 0 {
		why = "it is longer than what it holds"
	}
	return c, why
}

func (d *profileNumbersDoc) read(n *profileNumbers, count int64, r *sketchCoder) string {
	sum, ok := parseSketchSum(d.Sum)
	squares, also := parseSketchSum(d.Squares)
	switch {
	case !ok || !also:
		return "a sum is malformed"
	case d.Count != count || d.Zeros < 0 || d.Negatives < 0 || d.Zeros > count || d.Negatives > count-d.Zeros:
		return "its counts are not those of its rows"
	case d.Cells < 0 || d.Cells > n.cells.most || d.Shift < 0 || d.Shift > 64 || d.Coarse < 0 || d.Coarse > 64:
		return "a number is out of range"
	case d.Coarse > 0 && d.Coarse < d.Shift || d.Many == nil && d.Shift+d.Coarse > 0:
		return "its cells are malformed"
	}
	n.count, n.zeros, n.negatives, n.low, n.high, n.sum, n.squares = d.Count, d.Zeros, d.Negatives, d.Low, d.High, *sum, *squares
	if d.Low > d.High || !n.holds(d.Low) || !n.holds(d.High) {
		return "its range is none"
	}
	n.cells.shift, n.cells.coarse = d.Shift, d.Coarse
	n.cells.cells = r.cells(nil, d.Cells, d.Shift)
	if r.bad || !n.within(n.cells.cells) {
		return "its cells are malformed"
	}
	if total, ok := sumCells(n.cells.cells); !ok || total != n.count {
		return "its counts are not those of its rows"
	}
	if d.Many == nil {
		n.some = n.count > 0
		return n.checkExact()
	}
	return d.Many.read(n, r)
}

// checkExact checks what was said of values that are all counted.
func (n *profileNumbers) checkExact() string {
	again := &profileNumbers{field: n.field}
	var runs sketchRuns
	for _, c := range n.cells.cells {
		if !c.single() {
			return "its cells are malformed"
		}
		runs.keys, runs.counts = append(runs.keys, c.key), append(runs.counts, c.n)
	}
	again.addUp(runs)
	if len(runs.keys) > 0 {
		again.low, again.high = runs.keys[0], runs.keys[len(runs.keys)-1]
	}
	if again.low != n.low || again.high != n.high || again.zeros != n.zeros || again.negatives != n.negatives || again.sum != n.sum ||
		again.squares != n.squares {
		return "its sums are not those of its values"
	}
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

// within says whether cells lie where the values do: no coarse cell is cut, no key is none of the type.
func (n *profileNumbers) within(cells []sketchCell) bool {
	widest := max(n.cells.shift, n.cells.coarse)
	for _, c := range cells {
		if c.end() < n.low || c.start() > n.high || c.level() > widest {
			return false
		}
		if c.single() && (c.key < n.low || c.key > n.high || !n.holds(c.key)) {
			return false
		}
	}
	return true
}

func sumCells(cells []sketchCell) (int64, bool) {
	var total int64
	for _, c := range cells {
		if c.count() > math.MaxInt64/2-total {
			return 0, false
		}
		total += c.count()
	}
	return total, true
}

func (d *profileManyDoc) read(n *profileNumbers, r *sketchCoder) string {
	if d.Top < 0 || d.Top > sketchCounters || d.Short < 0 || d.Short > math.MaxInt64/4 {
		return "its sketch is malformed"
	}
	n.reduced, n.some, n.repeated, n.rising, n.first, n.last = true, true, d.Repeated, d.Rising, d.First, d.Last
	if why := readRegisters(r, &n.distinct); why != "" {
		return why
	}
	top, ok := n.readTop(d.Top, r)
	if !ok {
		return "its sketch is malformed"
	}
	if often, ok := sumCounts(top); !ok || often > n.count {
		return "its counts are not those of its rows"
	}
	n.top = sketchTop[uint64]{top, d.Short}
	return ""
}

// readTop reads counted values of a column, in order, none twice.
func (n *profileNumbers) readTop(many int, r *sketchCoder) ([]sketchItem[uint64], bool) {
	top := r.cells(nil, many, 0)
	if r.bad || len(top) != many {
		return nil, false
	}
	var items []sketchItem[uint64]
	for _, c := range top {
		if !c.single() || c.key < n.low || c.key > n.high || !n.holds(c.key) {
			return nil, false
		}
		items = append(items, sketchItem[uint64]{c.key, c.n})
	}
	return items, true
}

// read takes which shards a profile is of, and says whether they can be some.
func (d *profileShardsDoc) read(p *Profile) bool {
	if d == nil {
		return true
	}
	p.shards = &profileShards{of: d.Of}
	last := 0
	for _, i := range d.Has {
		if i <= last || i > d.Of {
			return false
		}
		last = i
		p.shards.has = append(p.shards.has, i-1)
	}
	return last > 0 && len(d.Has) < d.Of
}

// readStretches reads what shards keep of a column of so many values.
func readStretches[K cmp.Ordered](p *Profile, docs []profileStretchDoc, s *profileStretches[K], count int64, read func(profileStretchDoc) (profileOrder[K], bool)) string {
	if len(docs) > 0 && p.shards == nil {
		return "it is of no shard"
	}
	last := -1
	for _, d := range docs {
		if d.At <= last || d.Top < 0 || d.Top > sketchCounters || d.Short < 0 || d.Short > math.MaxInt64/4 {
			return "its stretches are malformed"
		}
		r, ok := read(d)
		often, also := sumCounts(r.top.items)
		if !ok || !also || often > count {
			return "its stretches are malformed"
		}
		last, count = d.At, count-often
		r.some, r.repeated = true, d.Repeated
		s.kept = append(s.kept, profileStretch[K]{d.At, r})
	}
	return ""
}

func (d *profileTextsDoc) read(t *profileTexts, count int64, limits profileLimits, m *sketchLetters, r *sketchCoder) string {
	switch {
	case d.Count != count || d.Empty < 0 || d.Empty > count || d.Letters < 0 || d.Shortest < 0 || d.Longest < d.Shortest:
		return "its counts are not those of its rows"
	case d.Low > d.High || !isProfileText(d.Low) || !isProfileText(d.High):
		return "its range is none"
	case d.Values < 0 || d.Values > limits.texts || d.Many != nil && d.Values > 0:
		return "a number is out of range"
	}
	t.count, t.empty, t.low, t.high = d.Count, d.Empty, d.Low, d.High
	t.shortest, t.longest, t.letters = d.Shortest, d.Longest, d.Letters
	if d.Many != nil {
		return d.Many.readTexts(t, m, r)
	}
	items, ok := readItems(m, d.Values, r)
	if total, also := sumCounts(items); !ok || !also || total != count {
		return "its values are malformed"
	}
	for _, it := range items {
		t.exact[it.key] = it.count
		t.size += len(it.key)
	}
	return ""
}

func (d *profileManyDoc) readTexts(t *profileTexts, m *sketchLetters, r *sketchCoder) string {
	if d.Top < 0 || d.Top > sketchCounters || d.Short < 0 || d.Short > math.MaxInt64/4 || d.Some < 0 || d.Some > sketchKept {
		return "its sketch is malformed"
	}
	if why := readRegisters(r, &t.distinct); why != "" {
		return why
	}
	items, ok := readItems(m, d.Top, r)
	if often, also := sumCounts(items); !ok || !also || often > t.count {
		return "its sketch is malformed"
	}
	some := r.texts(m, nil, d.Some)
	t.exact, t.some, t.top, t.repeated = nil, true, sketchTop[string]{items, d.Short}, d.Repeated
	for _, it := range some {
		if it.count != 0 || !isProfileText(it.key) {
			return "its sketch is malformed"
		}
		t.examples.add(sketchHashBytes([]byte(it.key)), it.key)
	}
	if r.bad {
		return "its sketch is malformed"
	}
	return ""
}

// longestProfileText is the longest text that sketchTextKey makes.
const longestProfileText = 512

func isProfileText(s string) bool { return len(s) <= longestProfileText && utf8.ValidString(s) }

// readItems reads texts in order, none twice.
func readItems(m *sketchLetters, n int, r *sketchCoder) ([]sketchItem[string], bool) {
	items := r.texts(m, nil, n)
	for i, it := range items {
		if !isProfileText(it.key) || i > 0 && it.key <= items[i-1].key {
			return nil, false
		}
	}
	return items, !r.bad
}

// sumCounts adds counts, each of which must be at least 1, unless that goes out of range.
func sumCounts[K cmp.Ordered](items []sketchItem[K]) (int64, bool) {
	var total int64
	for _, it := range items {
		if it.count < 1 || it.count > math.MaxInt64/2-total {
			return 0, false
		}
		total += it.count
	}
	return total, true
}

func readRegisters(r *sketchCoder, d *sketchDistinct) string {
	d.registers = r.registers(nil)
	for _, x := range d.registers {
		if r.bad || x > 64-sketchDistinctBits+1 {
			return "its sketch is malformed"
		}
	}
	return ""
}
