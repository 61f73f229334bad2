package dataset

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// nestedLeaf reads whole rows of a leaf that lies in a list, a map or a record.
type nestedLeaf struct {
	leafReader
	ahead      []uint32 // repetition levels that were read ahead
	aheadDef   []uint32
	reps, defs []uint8 // of the rows at hand
	values     columnMaker
	at, value  int // the next level and the next value while rows are put together
}

const (
	levelBlock   = 4096
	maxRowValues = 1 << 26 // of one leaf in one batch
)

var errDisagree = errors.New("the parts of its rows do not fit each other")

// take reads the levels and values of the next n rows.
func (l *nestedLeaf) take(ctx context.Context, n int) error {
	l.reps, l.defs, l.at, l.value = l.reps[:0], l.defs[:0], 0, 0
	l.values.flat = true
	l.values.begin(Field{Type: l.node.conv.typ, Scale: l.node.conv.scale, Naive: l.node.conv.naive, Wide: l.node.conv.wide}, 0)
	for rows := 0; ; {
		if len(l.ahead) == 0 {
			more, err := l.block(ctx)
			if err != nil {
				return err
			}
			if !more {
				if rows == n {
					return nil
				}
				return errors.New("it has fewer values than its row group has rows")
			}
		}
		k := 0
		for k < len(l.ahead) && (l.ahead[k] != 0 || rows < n) {
			if l.ahead[k] == 0 {
				rows++
			} else if rows == 0 {
				return errDisagree
			}
			k++
		}
		if err := l.consume(k); err != nil {
			return err
		}
		if len(l.ahead) > 0 {
			return nil
		}
	}
}

// block reads some levels ahead. It says whether there were any.
func (l *nestedLeaf) block(ctx context.Context) (bool, error) {
	for l.left == 0 {
		h, err := l.pages.head()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err == nil {
			err = l.page(ctx, &h)
		}
		if err != nil {
			return false, err
		}
	}
	n := min(l.left, levelBlock)
	l.left -= n
	l.ahead, l.aheadDef = grow(l.ahead[:0], n), grow(l.aheadDef[:0], n)
	if err := readLevels(&l.rep, l.node.rep, l.ahead); err != nil {
		return false, err
	}
	return true, readLevels(&l.def, l.node.def, l.aheadDef)
}

func readLevels(runs *hybridRuns, most int, dst []uint32) error {
	if most == 0 {
		clear(dst)
		return nil
	}
	if err := runs.read(dst); err != nil {
		return err
	}
	for _, v := range dst {
		if v > uint32(most) {
			return errLevel
		}
	}
	return nil
}

// consume moves k levels from those read ahead to the rows at hand, with their values.
func (l *nestedLeaf) consume(k int) error {
	present := 0
	for i := range k {
		l.reps, l.defs = append(l.reps, uint8(l.ahead[i])), append(l.defs, uint8(l.aheadDef[i]))
		if int(l.aheadDef[i]) == l.node.def {
			present++
		}
	}
	if len(l.reps) > maxRowValues {
		return fmt.Errorf("some rows have more than %d values", maxRowValues)
	}
	l.ahead, l.aheadDef = l.ahead[k:], l.aheadDef[k:]
	if !l.leafReader.values.dictionary() {
		return l.leafReader.values.append(&l.values.Column, present)
	}
	codes := grow(l.pages.shared.codes[:0], present)
	l.pages.shared.codes = codes
	if err := l.leafReader.values.codes.read(codes); err != nil {
		return err
	}
	if present > 0 && l.dict == nil {
		return errors.New("it has codes and no dictionary")
	}
	return l.look(&l.values, 0, codes)
}

// level is the next repetition level, or 0 after the last: there a row would begin.
func (l *nestedLeaf) level() int {
	if l.at < len(l.reps) {
		return int(l.reps[l.at])
	}
	return 0
}

// assembler puts rows together out of the leaves of a column, as canonical JSON.
type assembler struct {
	leaves []*nestedLeaf // all leaves of the schema; nil where the column has none
	text   []byte
	err    error
}

// row appends the value of node in the next row, and says whether it is there.
func (a *assembler) row(node *parquetNode) bool {
	a.text = a.text[:0]
	if node.repetition == parquetRepeated {
		a.repeated(node, node)
		return true
	}
	first := a.first(node)
	if first != nil && node.repetition == parquetOptional && a.def(first) < node.def {
		a.pass(node)
		return false
	}
	a.present(node)
	return true
}

// first is a leaf whose levels tell whether node is there.
func (a *assembler) first(node *parquetNode) *nestedLeaf {
	if i := node.last(); i >= 0 {
		return a.leaves[i]
	}
	return nil
}

func (a *assembler) def(l *nestedLeaf) int {
	if l.at >= len(l.defs) {
		a.err = errDisagree
		return 0
	}
	return int(l.defs[l.at])
}

// pass goes over one level in each leaf of a node that is not there.
func (a *assembler) pass(node *parquetNode) {
	if node.leaf >= 0 {
		l := a.leaves[node.leaf]
		if l.at >= len(l.defs) || int(l.defs[l.at]) == node.def {
			a.err = errDisagree
			return
		}
		l.at++
		return
	}
	for _, n := range node.nodes {
		a.pass(n)
	}
}

// value writes a node that may be missing.
func (a *assembler) value(node *parquetNode) {
	if a.err != nil {
		return
	}
	if node.repetition == parquetRepeated {
		a.repeated(node, node)
		return
	}
	if first := a.first(node); first != nil && node.repetition == parquetOptional && a.def(first) < node.def {
		a.text = append(a.text, "null"...)
		a.pass(node)
		return
	}
	a.present(node)
}

// present writes a node that is there, whatever its own repetition is.
func (a *assembler) present(node *parquetNode) {
	switch {
	case a.err != nil:
	case node.leaf >= 0:
		a.leaf(node)
	case node.isList():
		element, wrapped := node.listElement()
		if wrapped {
			a.repeated(node.nodes[0], element)
		} else {
			a.repeated(node.nodes[0], node.nodes[0])
		}
	case node.isMap():
		a.entries(node.nodes[0])
	default:
		a.record(node)
	}
}

// each calls one for each time that a repeated node stands here. At the end every leaf of it is where the next thing begins.
func (a *assembler) each(node *parquetNode, one func()) {
	first := a.first(node)
	if first == nil {
		return
	}
	if a.def(first) < node.def {
		a.pass(node)
		return
	}
	for a.err == nil {
		before := first.at
		if one(); first.at == before && a.err == nil {
			a.err = errDisagree
		}
		if first.level() != node.rep {
			return
		}
	}
}

// repeated writes a list: element is the repeated node itself, or its only child.
func (a *assembler) repeated(node, element *parquetNode) {
	a.text = append(a.text, '[')
	n := 0
	a.each(node, func() {
		if n++; n > 1 {
			a.text = append(a.text, ',')
		}
		if element == node {
			a.present(node)
		} else {
			a.value(element)
		}
	})
	a.text = append(a.text, ']')
}

// record writes the fields of a group in the order of their names.
func (a *assembler) record(node *parquetNode) {
	fields := slices.Clone(node.nodes)
	slices.SortStableFunc(fields, func(x, y *parquetNode) int { return strings.Compare(x.name, y.name) })
	a.text = append(a.text, '{')
	for i, f := range fields {
		if i > 0 {
			a.text = append(a.text, ',')
		}
		a.text = append(appendJSON(a.text, f.name), ':')
		a.value(f)
	}
	a.text = append(a.text, '}')
}

// entries writes a map as an object in the order of its keys. Of equal keys the last counts.
func (a *assembler) entries(entry *parquetNode) {
	type pair struct {
		key, value string
	}
	var pairs []pair
	outer := a.text
	a.each(entry, func() {
		a.text = nil
		a.value(entry.nodes[0])
		p := pair{key: string(a.text), value: "null"}
		if !strings.HasPrefix(p.key, `"`) {
			p.key = `"` + p.key + `"`
		}
		if len(entry.nodes) == 2 {
			a.text = nil
			a.value(entry.nodes[1])
			p.value = string(a.text)
		}
		pairs = append(pairs, p)
	})
	slices.SortStableFunc(pairs, func(x, y pair) int { return strings.Compare(x.key, y.key) })
	a.text = append(outer, '{')
	written := 0
	for i, p := range pairs {
		if i+1 < len(pairs) && pairs[i+1].key == p.key {
			continue
		}
		if written++; written > 1 {
			a.text = append(a.text, ',')
		}
		a.text = append(append(append(a.text, p.key...), ':'), p.value...)
	}
	a.text = append(a.text, '}')
}

// leaf writes a value.
func (a *assembler) leaf(node *parquetNode) {
	l := a.leaves[node.leaf]
	if a.def(l) != node.def {
		a.err = errDisagree
		return
	}
	i, c := l.value, &l.values.Column
	l.at, l.value = l.at+1, l.value+1
	switch c.Type {
	case Null:
		a.text = append(a.text, "null"...)
	case Bool, Int, Uint, Decimal:
		a.text = c.AppendText(a.text, i)
	case Float:
		switch v := c.Floats[i]; {
		case math.IsNaN(v):
			a.text = append(a.text, `"NaN"`...)
		case math.IsInf(v, 1):
			a.text = append(a.text, `"Infinity"`...)
		case math.IsInf(v, -1):
			a.text = append(a.text, `"-Infinity"`...)
		default:
			a.text = c.AppendText(a.text, i)
		}
	case Text:
		a.text = appendJSON(a.text, string(c.Bytes(i)))
	case Bytes:
		a.text = append(a.text, '"')
		a.text = base64.StdEncoding.AppendEncode(a.text, c.Bytes(i))
		a.text = append(a.text, '"')
	default:
		a.text = append(a.text, '"')
		a.text = append(c.AppendText(a.text, i), '"')
	}
}

// done says whether each leaf is where the next row begins.
func (a *assembler) done(node *parquetNode) bool {
	if node.leaf >= 0 {
		return a.leaves[node.leaf].level() == 0
	}
	for _, n := range node.nodes {
		if !a.done(n) {
			return false
		}
	}
	return true
}

// appendJSON writes a string as canonical JSON does: nothing is escaped that need not be.
func appendJSON(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s { // what is no UTF-8 becomes U+FFFD
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r == '\r':
			dst = append(dst, '\\', 'r')
		case r == '\t':
			dst = append(dst, '\\', 't')
		case r == '\b':
			dst = append(dst, '\\', 'b')
		case r == '\f':
			dst = append(dst, '\\', 'f')
		case r < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
		default:
			dst = append(dst, string(r)...)
		}
	}
	return append(dst, '"')
}
