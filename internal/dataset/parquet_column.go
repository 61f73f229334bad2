package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
)

// leafReader reads the values of one leaf of the schema in a row group, from the first row on.
type leafReader struct {
	node  *parquetNode
	pages pageReader
	dict  *parquetDict // nil: none was met

	left   int // values of the current page that are left, missing ones counted
	rep    hybridRuns
	def    hybridRuns
	values parquetValues

	whole parquetDict // the memory of dict
}

// parquetDict is the dictionary of a column chunk.
type parquetDict struct {
	Column
	n    int
	seen []uint32 // of strings: where an entry stands in the dictionary of the batch, plus one
}

// open begins a chunk.
func (l *leafReader) open(in io.ReaderAt, size int64, c *parquetChunk) error {
	l.left, l.dict = 0, nil
	switch {
	case c.external:
		return errors.New("its values stand in another file")
	case c.encrypted || !c.known:
		return errors.New("it is encrypted")
	case c.physical != l.node.physical:
		return fmt.Errorf("it is stored as type %d, and the schema says %d", c.physical, l.node.physical)
	}
	if c.values == 0 && c.compressed == 0 {
		l.pages.at, l.pages.end = 0, 0
		return nil
	}
	return l.pages.open(in, size, c)
}

// next makes sure that a page with values is at hand.
func (l *leafReader) next(ctx context.Context) error {
	for l.left == 0 {
		h, err := l.pages.head()
		if errors.Is(err, io.EOF) {
			return errors.New("it has fewer values than its row group has rows")
		}
		if err == nil {
			err = l.page(ctx, &h)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *leafReader) page(ctx context.Context, h *parquetPageHead) error {
	switch h.kind {
	case pageData, pageDataV2:
	case pageDictionary:
		return l.dictionary(ctx, h)
	default:
		l.pages.pass(h)
		return nil
	}
	levels, body, err := l.pages.page(ctx, h)
	if err != nil {
		return err
	}
	if h.kind == pageDataV2 {
		l.rep = newHybridRuns(levels[:h.repLen], levelWidth(l.node.rep))
		l.def = newHybridRuns(levels[h.repLen:], levelWidth(l.node.def))
	} else {
		if l.rep, body, err = levelRuns(body, h.repCode, l.node.rep, int(h.values)); err != nil {
			return err
		}
		if l.def, body, err = levelRuns(body, h.defCode, l.node.def, int(h.values)); err != nil {
			return err
		}
	}
	l.left = int(h.values)
	if err := l.values.start(&l.node.conv, h.encoding, body, l.left); err != nil {
		return err
	}
	if l.values.dictionary() && l.dict == nil && l.left > 0 && len(body) > 0 {
		return errors.New("it has codes and no dictionary")
	}
	return nil
}

func levelWidth(most int) uint { return uint(bits.Len(uint(most))) }

// levelRuns reads where the levels of a page of the first version stand, and returns what follows them.
func levelRuns(b []byte, encoding int32, most, n int) (hybridRuns, []byte, error) {
	if most == 0 {
		return hybridRuns{}, b, nil
	}
	switch encoding {
	case encodingRLE:
		runs, rest, err := sized(b)
		return newHybridRuns(runs, levelWidth(most)), rest, err
	case encodingBitPacked:
		runs, size, err := packedLevels(b, levelWidth(most), n)
		if err != nil {
			return hybridRuns{}, nil, err
		}
		return newHybridRuns(runs, levelWidth(most)), b[size:], nil
	}
	return hybridRuns{}, nil, fmt.Errorf("levels in encoding %d are not known", encoding)
}

// dictionary reads the page of the dictionary. Its values are converted once.
func (l *leafReader) dictionary(ctx context.Context, h *parquetPageHead) error {
	if l.dict != nil {
		return errors.New("it has two dictionaries")
	}
	if h.encoding != encodingPlain && h.encoding != encodingPlainDict {
		return fmt.Errorf("a dictionary in encoding %d is not known", h.encoding)
	}
	_, body, err := l.pages.page(ctx, h)
	if err != nil {
		return err
	}
	d, n := &l.whole, int(h.values)
	least := 4 // bytes of a value
	if l.node.physical == parquetBoolean {
		return errors.New("a boolean has no dictionary")
	} else if l.node.physical == parquetFixed {
		least = l.node.conv.length
	}
	if n > len(body)/least {
		return errPageShort
	}
	d.Ints, d.Floats, d.n = d.Ints[:0], d.Floats[:0], n
	if d.Texts == nil {
		d.Texts = &Texts{}
	}
	d.Texts.Reset()
	var v parquetValues
	if err := v.start(&l.node.conv, encodingPlain, body, n); err != nil {
		return err
	}
	if l.node.conv.family() != familyNone {
		if err := v.append(&d.Column, n); err != nil {
			return fmt.Errorf("its dictionary: %w", err)
		}
	}
	if l.node.conv.family() == familyTexts {
		d.seen = grow(d.seen[:0], n)
		clear(d.seen)
	}
	l.dict = d
	return nil
}

// read appends the values of the next n rows of a column that is no list to c, whose Missing has room for them. at is the number of
// rows that c holds.
func (l *leafReader) read(ctx context.Context, c *columnMaker, at, n int) error {
	for n > 0 {
		if err := l.next(ctx); err != nil {
			return err
		}
		k := min(n, l.left)
		absent := 0
		if l.node.def > 0 {
			var err error
			if absent, err = l.def.missing(c.Missing, at, k); err != nil {
				return err
			}
		}
		if err := l.some(c, at, k, absent); err != nil {
			return err
		}
		l.left, at, n = l.left-k, at+k, n-k
	}
	return nil
}

// some appends k rows of one page, of which absent are missing.
func (l *leafReader) some(c *columnMaker, at, k, absent int) error {
	if !l.values.dictionary() {
		if c.Codes != nil {
			c.flatten(at)
		}
		if err := l.values.append(&c.Column, k-absent); err != nil {
			return err
		}
		c.spread(at, k, absent)
		return nil
	}
	codes := grow(l.pages.shared.codes[:0], k-absent)
	l.pages.shared.codes = codes
	if err := l.values.codes.read(codes); err != nil {
		return err
	}
	if len(codes) > 0 && l.dict == nil {
		return errors.New("it has codes and no dictionary")
	}
	if err := l.look(c, at, codes); err != nil {
		return err
	}
	c.spread(at, k, absent)
	return nil
}

var errCode = errors.New("a code is not in its dictionary")

// look appends the values that codes stand for.
func (l *leafReader) look(c *columnMaker, at int, codes []uint32) error {
	switch l.node.conv.family() {
	case familyInts:
		start := len(c.Ints)
		c.Ints = grow(c.Ints, len(codes))
		out, dict := c.Ints[start:], l.dictInts()
		for i, code := range codes {
			if int(code) >= len(dict) {
				return errCode
			}
			out[i] = dict[code]
		}
	case familyFloats:
		start := len(c.Floats)
		c.Floats = grow(c.Floats, len(codes))
		var dict []float64
		if l.dict != nil {
			dict = l.dict.Floats
		}
		out := c.Floats[start:]
		for i, code := range codes {
			if int(code) >= len(dict) {
				return errCode
			}
			out[i] = dict[code]
		}
	case familyTexts:
		return l.lookTexts(c, at, codes)
	case familyNone:
		if len(codes) > 0 {
			return errors.New("a column of type NULL has a value")
		}
	}
	return nil
}

func (l *leafReader) dictInts() []int64 {
	if l.dict == nil {
		return nil
	}
	return l.dict.Ints
}

// lookTexts appends codes into a dictionary that belongs to the batch and holds only what the batch uses. Where the batch already has
// strings without one, it appends strings.
func (l *leafReader) lookTexts(c *columnMaker, at int, codes []uint32) error {
	for _, code := range codes {
		if int(code) >= l.dict.n {
			return errCode
		}
	}
	if c.Codes == nil && at == 0 && !c.flat {
		c.Codes = c.codes[:0]
	}
	if c.Codes == nil {
		for _, code := range codes {
			if err := addText(c.Texts, l.dict.Texts.At(int(code))); err != nil {
				return err
			}
		}
		return nil
	}
	start := len(c.Codes)
	c.Codes = grow(c.Codes, len(codes))
	out, seen := c.Codes[start:], l.dict.seen
	for i, code := range codes {
		to := seen[code]
		if to == 0 {
			if err := addText(c.Texts, l.dict.Texts.At(int(code))); err != nil {
				return err
			}
			to = uint32(c.Texts.Len())
			seen[code] = to
			c.used = append(c.used, code)
		}
		out[i] = to - 1
	}
	return nil
}

// forget lets the dictionary forget which entries the batch has.
func (l *leafReader) forget(c *columnMaker) {
	if l.dict != nil {
		for _, code := range c.used {
			l.dict.seen[code] = 0
		}
	}
	c.used = c.used[:0]
}
