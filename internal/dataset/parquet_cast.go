package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
)

// convert makes of the stored values those of another type: that of a schema, or of other files of the table. What does not fit is an
// error.
func (c *parquetColumn) convert(u *parquetUnit, want Field, n int, out *Column) error {
	have := &c.made.Column
	switch {
	case have.Type == Int && c.node.conv.unsigned && want.Type == Uint:
		*out = *have
		out.Field = want
		return nil
	case have.Type == Int && !c.node.conv.unsigned && want.Type == Float:
		c.made.Floats = grow(c.made.Floats[:0], n)
		for i, v := range have.Ints[:n] {
			c.made.Floats[i] = float64(v)
		}
		*out = c.made.Column
		out.Field, out.Ints = want, nil
		return nil
	}
	if have.Type == Int && c.node.conv.unsigned {
		have.Type = Uint // its text is that of an unsigned number
	}
	c.words, c.text = c.words[:0], c.text[:0]
	kind := wordRaw
	if want.Type >= Text {
		kind = wordString
	}
	for i := range n {
		w := word{at: uint32(len(c.text)), kind: kind}
		if have.Missing.Has(i) {
			w.kind = wordMissing
		} else {
			c.text = have.AppendText(c.text, i)
		}
		if len(c.text) > maxBatchText {
			return fmt.Errorf("the strings of some rows have more than %d bytes", maxBatchText)
		}
		w.end = uint32(len(c.text))
		c.words = append(c.words, w)
	}
	if bad := c.cast.fill(u.p.rules, want, c.words, c.text); bad >= 0 {
		w := c.words[bad]
		return fmt.Errorf("value %q is no %s", shortValue(c.text[w.at:w.end]), typeText(want))
	}
	*out = c.cast.Column
	return nil
}

// skip passes over n rows of a column that is no list. Pages that hold none of the rows after them are not read.
func (l *leafReader) skip(ctx context.Context, n int64) error {
	for n > 0 {
		if l.left == 0 {
			h, err := l.pages.head()
			if errors.Is(err, io.EOF) {
				return errors.New("it has fewer values than its row group has rows")
			}
			if err != nil {
				return err
			}
			if (h.kind == pageData || h.kind == pageDataV2) && int64(h.values) <= n {
				l.pages.pass(&h)
				n -= int64(h.values)
				continue
			}
			if err := l.page(ctx, &h); err != nil {
				return err
			}
			continue
		}
		k := int(min(n, int64(l.left), math.MaxInt16))
		if err := l.drop(k); err != nil {
			return err
		}
		n -= int64(k)
	}
	return nil
}

// drop passes over k rows of the current page.
func (l *leafReader) drop(k int) error {
	absent := 0
	if l.node.def > 0 {
		var err error
		if absent, err = l.def.missing(make(Bits, k/64+1), 0, k); err != nil {
			return err
		}
	}
	l.left -= k
	if l.values.dictionary() {
		return l.values.codes.skip(k - absent)
	}
	var gone Column
	gone.Texts = &Texts{}
	return l.values.append(&gone, k-absent)
}
