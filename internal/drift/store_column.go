package drift

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"sync/atomic"
	"unicode/utf8"

	"mlx/internal/dataset"
)

// column is what was read of one column of one side.
type column struct {
	field    dataset.Field
	kind     Kind
	missing  int64
	nan      int64
	plusInf  int64
	minusInf int64

	keys  *stream[uint64]        // of numbers: those that are neither missing nor NaN nor infinite
	words *vocabulary            // of categories
	rows  *stream[uint32]        // when rows matter: of numbers the class of each row, of categories 0 where it is missing, else its code + 1
	known *dataset.ProfileColumn // what a profile knows of a column of numbers, in place of keys
	full  atomic.Bool            // words are too many: they are not looked at any more, and rows are not kept
	codes []uint32               // memory to merge: of each word of a batch its code + 1
}

// The classes of the rows of a column of numbers.
const (
	rowValue uint32 = iota // the next key is that of the row
	rowMissing
	rowNaN
	rowPlusInf
	rowMinusInf
	firstWord // in columnPart.rows, of categories: the first of its words
)

// lacks is the number of rows without a value that can be compared.
func (c *column) lacks() int64 { return c.missing + c.nan + c.plusInf + c.minusInf }

// count takes rows of a class into account.
func (c *columnPart) count(class uint32) {
	switch class {
	case rowMissing:
		c.missing++
	case rowNaN:
		c.nan++
	case rowPlusInf:
		c.plusInf++
	case rowMinusInf:
		c.minusInf++
	}
}

const signBit = 1 << 63

// intKey maps integers to keys that compare as they do.
func intKey(v int64) uint64 { return uint64(v) ^ signBit }

// floatKey maps numbers that are not NaN to keys that compare as they do. Minus zero is zero.
func floatKey(v float64) uint64 {
	b := math.Float64bits(v + 0)
	return b ^ (uint64(int64(b)>>63) | signBit)
}

func floatOf(key uint64) float64 {
	return math.Float64frombits(key ^ (uint64(int64(^key)>>63) | signBit))
}

// floatClass is the class of a float, of which rowValue is a number.
func floatClass(v float64) uint32 {
	switch {
	case v-v == 0:
		return rowValue
	case v != v:
		return rowNaN
	case v > 0:
		return rowPlusInf
	}
	return rowMinusInf
}

// floatKeys says whether the keys of a column are those of floats.
func floatKeys(f dataset.Field) bool {
	return f.Type == dataset.Float || f.Type == dataset.Decimal && f.Wide
}

// vocabulary counts the different words of a column. Of more than max of them it keeps none.
type vocabulary struct {
	codes  map[string]uint32
	names  []string
	counts []int64
	max    int
	full   bool
}

func newVocabulary(most int) *vocabulary {
	return &vocabulary{codes: make(map[string]uint32), max: most}
}

// add counts a word and returns its code.
func (v *vocabulary) add(word []byte, n int64) uint32 {
	if v.full {
		return 0
	}
	code, ok := v.codes[string(word)]
	if !ok {
		if len(v.names) == v.max {
			v.full, v.codes, v.names, v.counts = true, nil, nil, nil
			return 0
		}
		code = uint32(len(v.names))
		name := string(word)
		v.codes[name] = code
		v.names, v.counts = append(v.names, name), append(v.counts, 0)
	}
	v.counts[code] += n
	return code
}

// longestWord is how many bytes of a category are kept. Of a longer one the beginning stands for it, and a digest of the whole.
const longestWord = 160

func categoryWord(dst, text []byte) []byte {
	if len(text) <= longestWord {
		return text
	}
	cut := longestWord - 34
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	sum := sha256.Sum256(text)
	dst = append(append(dst[:0], text[:cut]...), "…"...)
	return hex.AppendEncode(dst, sum[:15])
}

// columnPart is what one batch adds to a column.
type columnPart struct {
	missing, nan, plusInf, minusInf int64

	keys  []uint64
	rows  []uint32 // the class of each row; of categories firstWord + its place in words, or rowValue where they are not looked at
	words dataset.Texts
	times []int64 // how often each of words stands there
}
