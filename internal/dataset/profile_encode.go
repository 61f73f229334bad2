package dataset

import (
	"bytes"
	"encoding/json"

	"mlx/internal/fault"
)

// ProfileKind is the kind of the document that holds a profile so that it can be merged and asked again.
const ProfileKind = "profile.data/v2"

// profileDoc is a profile as it is kept: a line of JSON with these fields in this order, and no other spelling, and behind it what
// sketchCoder wrote of each column, one after the other.
type profileDoc struct {
	Kind    string             `json:"kind"`
	Rows    int64              `json:"rows"`
	Cells   int                `json:"cells"` // of a column, at most
	Shards  *profileShardsDoc  `json:"shards,omitempty"`
	Columns []profileColumnDoc `json:"columns"`
}

// profileShardsDoc says which shards of a table a profile is of, if not of all.
type profileShardsDoc struct {
	Of  int   `json:"of"`
	Has []int `json:"has"` // from 1, in order
}

type profileColumnDoc struct {
	Name     string             `json:"name"`
	Type     string             `json:"type"`
	Scale    int                `json:"scale,omitempty"`
	Naive    bool               `json:"naive,omitempty"`
	Wide     bool               `json:"wide,omitempty"`
	Private  bool               `json:"private,omitempty"`
	Missing  int64              `json:"missing"`
	NaN      int64              `json:"nan"`
	PlusInf  int64              `json:"plus_inf"`
	MinusInf int64              `json:"minus_inf"`
	Numbers  *profileNumbersDoc `json:"numbers,omitempty"`
	Texts    *profileTextsDoc   `json:"texts,omitempty"`
	Bytes    int                `json:"bytes"` // behind the line
}

type profileNumbersDoc struct {
	Count     int64           `json:"count"`
	Zeros     int64           `json:"zeros"`
	Negatives int64           `json:"negatives"`
	Low       uint64          `json:"low"`
	High      uint64          `json:"high"`
	Sum       string          `json:"sum"`
	Squares   string          `json:"squares"`
	Cells     int             `json:"cells"`
	Shift     int             `json:"shift"`
	Coarse    int             `json:"coarse"`
	Many      *profileManyDoc `json:"many,omitempty"`

	Stretches []profileStretchDoc `json:"stretches,omitempty"` // of shards
}

// profileManyDoc says more of a column whose values are too many to count each.
type profileManyDoc struct {
	Top      int    `json:"top"`
	Short    int64  `json:"short"`
	Repeated bool   `json:"repeated"`
	Rising   bool   `json:"rising,omitempty"` // of numbers
	First    uint64 `json:"first,omitempty"`
	Last     uint64 `json:"last,omitempty"`
	Some     int    `json:"some,omitempty"` // of texts
}

// profileStretchDoc is a stretch of a shard.
type profileStretchDoc struct {
	At       int    `json:"at"`
	Top      int    `json:"top"`
	Short    int64  `json:"short"`
	Repeated bool   `json:"repeated"`
	Rising   bool   `json:"rising,omitempty"` // of numbers, as are
	First    uint64 `json:"first,omitempty"`
	Last     uint64 `json:"last,omitempty"`
}

type profileTextsDoc struct {
	Count    int64           `json:"count"`
	Empty    int64           `json:"empty"`
	Low      string          `json:"low"`
	High     string          `json:"high"`
	Shortest int64           `json:"shortest"`
	Longest  int64           `json:"longest"`
	Letters  int64           `json:"letters"`
	Values   int             `json:"values"`
	Many     *profileManyDoc `json:"many,omitempty"`

	Stretches []profileStretchDoc `json:"stretches,omitempty"` // of shards
}

// Encode writes a profile in its one form.
func (p *Profile) Encode() ([]byte, error) {
	doc := profileDoc{Kind: ProfileKind, Rows: p.rows, Cells: p.limits.cells, Columns: make([]profileColumnDoc, 0, len(p.columns))}
	if p.shards != nil {
		doc.Shards = &profileShardsDoc{Of: p.shards.of}
		for _, i := range p.shards.has {
			doc.Shards.Has = append(doc.Shards.Has, i+1)
		}
	}
	var all []byte
	for _, c := range p.columns {
		d, coded := c.doc()
		d.Bytes = len(coded)
		all = append(all, coded...)
		doc.Columns = append(doc.Columns, d)
	}
	line, err := doc.line()
	return append(line, all...), err
}

// line is what comes before the columns.
func (d *profileDoc) line() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(d); err != nil {
		return nil, fault.New(fault.Internal, "cannot write a profile: %w", err)
	}
	return b.Bytes(), nil
}

func (c *profileColumn) doc() (profileColumnDoc, []byte) {
	d := profileColumnDoc{Name: c.field.Name, Type: c.field.Type.String(), Scale: c.field.Scale, Naive: c.field.Naive, Wide: c.field.Wide,
		Private: c.private, Missing: c.missing, NaN: c.nan, PlusInf: c.plusInf, MinusInf: c.minusInf}
	w := newSketchWriter()
	switch {
	case c.numbers != nil:
		d.Numbers = c.numbers.doc(w)
	case c.texts != nil:
		d.Texts = c.texts.doc(w)
	case c.private && c.hidden.registers != nil:
		w.registers(c.hidden.registers)
	default:
		return d, nil
	}
	return d, w.bytes()
}

func (n *profileNumbers) doc(w *sketchCoder) *profileNumbersDoc {
	d := &profileNumbersDoc{Count: n.count, Zeros: n.zeros, Negatives: n.negatives, Low: n.low, High: n.high, Sum: n.sum.String(),
		Squares: n.squares.String(), Cells: len(n.cells.cells), Shift: n.cells.shift, Coarse: n.cells.coarse}
	w.cells(n.cells.cells, d.Cells, d.Shift)
	if n.reduced {
		n.docMany(d, w)
	}
	for i := range n.stretches.kept {
		s := &n.stretches.kept[i]
		d.Stretches = append(d.Stretches, profileStretchDoc{At: s.at, Top: len(s.top.items), Short: s.top.short, Repeated: s.repeated, Rising: s.rising, First: s.first, Last: s.last})
		w.items(s.top.items)
	}
	return d
}

func (n *profileNumbers) docMany(d *profileNumbersDoc, w *sketchCoder) {
	d.Many = &profileManyDoc{Top: len(n.top.items), Short: n.top.short, Repeated: n.repeated, Rising: n.rising, First: n.first, Last: n.last}
	w.registers(n.distinct.registers)
	w.items(n.top.items)
}

// items writes counted values of numbers.
func (c *sketchCoder) items(items []sketchItem[uint64]) {
	cells := make([]sketchCell, 0, len(items))
	for _, it := range items {
		cells = append(cells, sketchCell{it.key, it.count})
	}
	c.cells(cells, len(cells), 0)
}

func (t *profileTexts) doc(w *sketchCoder) *profileTextsDoc {
	d := &profileTextsDoc{Count: t.count, Empty: t.empty, Low: t.low, High: t.high, Shortest: t.shortest, Longest: t.longest, Letters: t.letters}
	m := newSketchLetters()
	if t.counted() {
		all := t.sorted()
		d.Values = len(all)
		w.texts(m, all, len(all))
	} else {
		t.docMany(d, m, w)
	}
	for i := range t.stretches.kept {
		s := &t.stretches.kept[i]
		d.Stretches = append(d.Stretches, profileStretchDoc{At: s.at, Top: len(s.top.items), Short: s.top.short, Repeated: s.repeated})
		w.texts(m, s.top.items, len(s.top.items))
	}
	return d
}

func (t *profileTexts) docMany(d *profileTextsDoc, m *sketchLetters, w *sketchCoder) {
	d.Many = &profileManyDoc{Top: len(t.top.items), Short: t.top.short, Repeated: t.repeated, Some: len(t.examples.items)}
	w.registers(t.distinct.registers)
	w.texts(m, t.top.items, len(t.top.items))
	some := make([]sketchItem[string], 0, len(t.examples.items))
	for _, it := range t.examples.items {
		some = append(some, sketchItem[string]{key: it.key})
	}
	w.texts(m, some, len(some))
}
