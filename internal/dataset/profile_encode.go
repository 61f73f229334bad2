package dataset

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"

	"mlx/internal/fault"
)

// ProfileKind is the kind of the document that holds a profile so that it can be merged and asked again.
const ProfileKind = "profile.data/v1"

// profileDoc is a profile as it is kept: JSON with these fields in this order, and no other spelling. Lists of keys are in base64:
// the differences of ascending keys as unsigned varints, counts as unsigned varints.
type profileDoc struct {
	Kind    string             `json:"kind"`
	Rows    int64              `json:"rows"`
	Exact   int                `json:"exact"`
	Texts   int                `json:"texts"`
	Size    int                `json:"size"`
	Columns []profileColumnDoc `json:"columns"`
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
	Hidden   string             `json:"hidden,omitempty"`
}

type profileNumbersDoc struct {
	Count     int64             `json:"count"`
	Zeros     int64             `json:"zeros"`
	Negatives int64             `json:"negatives"`
	Low       uint64            `json:"low"`
	High      uint64            `json:"high"`
	Sum       string            `json:"sum"`
	Squares   string            `json:"squares"`
	Exact     *profileRunsDoc   `json:"exact,omitempty"`
	Sketch    *profileSketchDoc `json:"sketch,omitempty"`
}

type profileRunsDoc struct {
	Keys   string `json:"keys"`
	Counts string `json:"counts"`
}

type profileSketchDoc struct {
	Levels   []string       `json:"levels"`
	Turns    []int64        `json:"turns"`
	Slack    int64          `json:"slack"`
	Distinct string         `json:"distinct"`
	Top      profileRunsDoc `json:"top"`
	Short    int64          `json:"short"`
	Repeated bool           `json:"repeated"`
	Rising   bool           `json:"rising"`
	First    uint64         `json:"first"`
	Last     uint64         `json:"last"`
}

type profileTextsDoc struct {
	Count    int64                 `json:"count"`
	Empty    int64                 `json:"empty"`
	Low      string                `json:"low"`
	High     string                `json:"high"`
	Shortest int64                 `json:"shortest"`
	Longest  int64                 `json:"longest"`
	Letters  int64                 `json:"letters"`
	Exact    *profileItemsDoc      `json:"exact,omitempty"`
	Sketch   *profileTextSketchDoc `json:"sketch,omitempty"`
}

type profileItemsDoc struct {
	Values []string `json:"values"`
	Counts []int64  `json:"counts"`
}

type profileTextSketchDoc struct {
	Distinct string          `json:"distinct"`
	Top      profileItemsDoc `json:"top"`
	Short    int64           `json:"short"`
	Some     []string        `json:"some"`
	Repeated bool            `json:"repeated"`
}

// Encode writes a profile in its one form.
func (p *Profile) Encode() ([]byte, error) {
	doc := profileDoc{Kind: ProfileKind, Rows: p.rows, Exact: p.limits.exact, Texts: p.limits.texts, Size: p.limits.size,
		Columns: make([]profileColumnDoc, 0, len(p.columns))}
	for _, c := range p.columns {
		d := profileColumnDoc{Name: c.field.Name, Type: c.field.Type.String(), Scale: c.field.Scale, Naive: c.field.Naive, Wide: c.field.Wide,
			Private: c.private, Missing: c.missing, NaN: c.nan, PlusInf: c.plusInf, MinusInf: c.minusInf}
		switch {
		case c.numbers != nil:
			d.Numbers = c.numbers.doc()
		case c.texts != nil:
			d.Texts = c.texts.doc()
		case c.private:
			d.Hidden = profileBase64(c.hidden.registers)
		}
		doc.Columns = append(doc.Columns, d)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		return nil, fault.New(fault.Internal, "cannot write a profile: %w", err)
	}
	return b.Bytes(), nil
}

func (n *profileNumbers) doc() *profileNumbersDoc {
	d := &profileNumbersDoc{Count: n.count, Zeros: n.zeros, Negatives: n.negatives, Low: n.low, High: n.high, Sum: n.sum.String(),
		Squares: n.squares.String()}
	if n.exact != nil {
		d.Exact = &profileRunsDoc{profileKeys(n.exact.keys), profileCounts(n.exact.counts)}
		return d
	}
	s := &profileSketchDoc{Levels: []string{}, Turns: append([]int64{}, n.levels.turns...), Slack: n.levels.slack,
		Distinct: profileBase64(n.distinct.registers), Short: n.top.short, Repeated: n.repeated, Rising: n.rising, First: n.first, Last: n.last}
	for _, keys := range n.levels.levels {
		s.Levels = append(s.Levels, profileKeys(keys))
	}
	var top sketchRuns
	for _, it := range n.top.items {
		top.keys, top.counts = append(top.keys, it.key), append(top.counts, it.count)
	}
	s.Top = profileRunsDoc{profileKeys(top.keys), profileCounts(top.counts)}
	d.Sketch = s
	return d
}

func (t *profileTexts) doc() *profileTextsDoc {
	d := &profileTextsDoc{Count: t.count, Empty: t.empty, Low: t.low, High: t.high, Shortest: t.shortest, Longest: t.longest, Letters: t.letters}
	if t.counted() {
		all := profileItems(t.sorted())
		d.Exact = &all
		return d
	}
	s := &profileTextSketchDoc{Distinct: profileBase64(t.distinct.registers), Top: profileItems(t.top.items), Short: t.top.short, Some: []string{},
		Repeated: t.repeated}
	for _, it := range t.some.items {
		s.Some = append(s.Some, it.key)
	}
	d.Sketch = s
	return d
}

func profileItems(items []sketchItem[string]) profileItemsDoc {
	d := profileItemsDoc{make([]string, 0, len(items)), make([]int64, 0, len(items))}
	for _, it := range items {
		d.Values, d.Counts = append(d.Values, it.key), append(d.Counts, it.count)
	}
	return d
}

func profileBase64(b []byte) string { return base64.RawStdEncoding.EncodeToString(b) }

// profileKeys writes ascending keys as their differences.
func profileKeys(keys []uint64) string {
	var b []byte
	last := uint64(0)
	for _, key := range keys {
		b = binary.AppendUvarint(b, key-last)
		last = key
	}
	return profileBase64(b)
}

func profileCounts(counts []int64) string {
	var b []byte
	for _, n := range counts {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return profileBase64(b)
}
