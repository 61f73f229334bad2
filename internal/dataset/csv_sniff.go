package dataset

import (
	"bytes"
	"strings"

	"mlx/internal/fault"
)

const (
	textSample  = 256 << 10 // bytes that the dialect is inferred from
	sniffedRows = 200
)

// sniff infers the dialect from the beginning of the file.
func (f *textFile) sniff(sample []byte, all bool) error {
	f.d = dialect{eol: '\n', quote: true}
	if bytes.IndexByte(sample, '\n') < 0 && bytes.IndexByte(sample, '\r') >= 0 {
		f.d.eol = '\r'
	}
	switch comma := f.opts.Comma; {
	case comma != 0 && (comma >= 0x80 || comma < ' ' && comma != '\t' && comma > 3 && comma != 0x1f || comma == '"'):
		return fault.New(fault.Usage, "cannot read %s: the separator cannot be %q", f.Name, comma)
	case comma != 0:
		f.d.sep = byte(comma)
	case f.opts.Format == "tsv":
		f.d.sep = '\t'
	default:
		f.d.sep = f.sniffSeparator(sample, all)
	}
	return nil
}

// sniffSeparator picks the character that cuts the first records into equally many fields, and the most of them.
func (f *textFile) sniffSeparator(sample []byte, all bool) byte {
	best, most := byte(','), 0
	for _, sep := range []byte{',', ';', '\t', '|'} {
		d := f.d
		d.sep = sep
		fields, even := sniffedFields(sample, d, all)
		score := 2 * fields
		if even && fields > 1 {
			score += 1 << 20
		}
		if score > most {
			best, most = sep, score
		}
	}
	return best
}

// sniffedFields counts the fields of the first record, and says whether the next have as many. The last record of a sample may be cut.
func sniffedFields(sample []byte, d dialect, all bool) (fields int, even bool) {
	var g csvGrid
	quotes := bytes.IndexByte(sample, '"') >= 0
	for at, row := 0, 0; at < len(sample) && row < sniffedRows; {
		g.ends = g.ends[:0]
		next, flaw := g.row(sample, at, quotes, d)
		if flaw != nil {
			return fields, false
		}
		if next > len(sample) && !all && row > 0 {
			break
		}
		at = next
		n := len(g.ends) - 1
		if n < 0 {
			continue
		}
		if row == 0 {
			fields = n
		} else if n != fields {
			return fields, false
		}
		row++
	}
	return fields, true
}

// isHeader says whether the first record holds names. It does, unless a value in it is none that a person would choose as a name: a
// number, a date or a time, where the column goes on with such. Years and positions are names, as pivots and pandas write them.
func (f *textFile) isHeader(values [][]byte, c textChunk, at int) bool {
	for _, v := range values {
		if f.opts.Schema.Index(strings.TrimSpace(string(v))) >= 0 {
			return true
		}
	}
	typed, last, consecutive := 0, int64(0), true
	for _, v := range values {
		if f.rules.missing(v) {
			continue
		}
		n := f.rules.natural(v, wordRaw)
		if n.Type == Text {
			continue
		}
		if n.Type != Int {
			return false
		}
		i, _ := parseInt(trimWord(v))
		consecutive = consecutive && (typed == 0 && i >= 0 || typed > 0 && i == last+1)
		last = i
		typed++
	}
	if typed == len(values) {
		return typed > 1 && consecutive
	}
	return typed == 0 || !f.recurs(values, c, at)
}

// recurs says whether a text of the first record stands in the same column again.
func (f *textFile) recurs(values [][]byte, c textChunk, at int) bool {
	var g csvGrid
	for row := 0; at < len(c.buf) && row < sniffedRows; row++ {
		g.ends, g.columns = g.ends[:0], 0
		next, flaw := g.row(c.buf, at, c.quotes, f.d)
		if flaw != nil {
			return false
		}
		at = next
		if g.columns = len(g.ends) - 1; g.columns != len(values) {
			continue
		}
		g.take(c, f.d)
		for i, v := range values {
			w, buf := g.words(nil, i)
			if len(v) > 0 && f.rules.natural(v, wordRaw).Type == Text && bytes.Equal(buf[w[0].at:w[0].end], v) {
				return true
			}
		}
	}
	return false
}
