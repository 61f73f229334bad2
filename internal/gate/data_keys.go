package gate

import (
	"hash/maphash"
	"math/bits"
	"slices"

	"mlx/internal/dataset"
)

// keyLists is into how many lists keys are parted, so that one list at a time fits memory.
const keyLists = 256

// dataKey turns what some columns hold in a row into a key. One column of integers, days or times is its own key; everything else is 128
// bits of a hash whose seed is drawn for each process: two different values have one key with a chance of 2^-128, and nobody can make
// such values on purpose.
type dataKey struct {
	narrow bool // keys are one word, else two
	seeds  [2]maphash.Seed
	mix    uint64
}

// newDataKey makes keys for columns of these types; several tables whose keys are compared use one dataKey for the types of all of them.
func newDataKey(tables ...[]dataset.Field) dataKey {
	k := dataKey{narrow: true, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
	k.mix = maphash.String(k.seeds[0], "")
	for _, fields := range tables {
		if len(fields) != 1 || !keyIsInt(fields[0]) || fields[0].Type != tables[0][0].Type || fields[0].Scale != tables[0][0].Scale {
			k.narrow = false
		}
	}
	return k
}

func (k dataKey) words() int {
	if k.narrow {
		return 1
	}
	return 2
}

// scramble spreads integers over all words, one to one.
func (k dataKey) scramble(v uint64) uint64 {
	v = (v ^ k.mix) * 0x9e3779b97f4a7c15
	v ^= v >> 32
	v *= 0xd6e8feb86659fd93
	return v ^ v>>29
}

func (k dataKey) text(v []byte) (uint64, uint64) {
	return maphash.Bytes(k.seeds[0], v), maphash.Bytes(k.seeds[1], v)
}

// add appends the keys of the rows that are not skipped, and calls row with each row's number.
func (k dataKey) add(dst []uint64, columns []*dataset.Column, rows int, skip dataset.Bits) []uint64 {
	if k.narrow {
		v := columns[0].Ints
		for w := range skip {
			for m := ^skip[w]; m != 0; m &= m - 1 {
				i := w*64 + bits.TrailingZeros64(m)
				if i >= rows {
					break
				}
				dst = append(dst, k.scramble(uint64(v[i])))
			}
		}
		return dst
	}
	dictionary := k.dictionary(columns)
	var text []byte
	for i := range rows {
		switch {
		case skip.Has(i):
		case dictionary != nil:
			at := 2 * columns[0].Codes[i]
			dst = append(dst, dictionary[at], dictionary[at+1])
		default:
			text = keyText(text[:0], columns, i)
			a, b := k.text(text)
			dst = append(dst, a, b)
		}
	}
	return dst
}

// dictionary hashes what the dictionary of a single column holds, once each.
func (k dataKey) dictionary(columns []*dataset.Column) []uint64 {
	c := columns[0]
	if len(columns) != 1 || c.Codes == nil || c.Texts.Len() > len(c.Codes) {
		return nil
	}
	all := make([]uint64, 0, 2*c.Texts.Len())
	for i := range c.Texts.Len() {
		a, b := k.text(keyNormal(nil, c, c.Texts.At(i)))
		all = append(all, a, b)
	}
	return all
}

// keyText writes the values of a row so that equal values, and only they, give equal text: 5 is 5.0 and "5".
func keyText(dst []byte, columns []*dataset.Column, row int) []byte {
	for i, c := range columns {
		if i > 0 {
			dst = append(dst, 0xff, 0) // no text in UTF-8 has it
		}
		switch {
		case c.Missing.Has(row):
			dst = append(dst, 0xfe)
		case c.InTexts():
			dst = keyNormal(dst, c, c.Bytes(row))
		case c.Type == dataset.Decimal:
			start := len(dst)
			dst = c.AppendText(dst, row)
			dst = append(dst[:start], keyTrim(dst[start:])...)
		default:
			dst = c.AppendText(dst, row)
		}
	}
	return dst
}

func keyNormal(dst []byte, c *dataset.Column, v []byte) []byte {
	if c.Type == dataset.Decimal {
		v = keyTrim(v)
	}
	return append(dst, v...)
}

// keyTrim takes zeros after the point away.
func keyTrim(v []byte) []byte {
	if !slices.Contains(v, '.') {
		return v
	}
	for len(v) > 0 && v[len(v)-1] == '0' {
		v = v[:len(v)-1]
	}
	if len(v) > 0 && v[len(v)-1] == '.' {
		v = v[:len(v)-1]
	}
	return v
}

// keyStore keeps keys, each with a word of its own: the row, or how often.
type keyStore struct {
	dataKey
	spill *spill
}

func newKeyStore(k dataKey, temp string) *keyStore {
	return &keyStore{dataKey: k, spill: newSpill(temp, keyLists)}
}

func (s *keyStore) put(key []uint64, word uint64) error {
	if s.narrow {
		return s.spill.add(int(key[0]>>56), key[0], word)
	}
	return s.spill.add(int(key[0]>>56), key[0], key[1], word)
}

// keySeen is what is known of a key while its list is gone through.
type keySeen struct {
	key   [2]uint64
	used  bool
	count uint64
	first uint64 // word of the first
}

// keyTable finds keys by open addressing: a map of Go takes several times as long.
type keyTable struct {
	cells []keySeen
	n     int
}

func (t *keyTable) reset(room int) {
	size := 16
	for size < 2*room && size < 1<<18 { // keys may repeat: more room is made when it is needed
		size *= 2
	}
	if len(t.cells) >= size && len(t.cells) <= 8*size {
		clear(t.cells)
	} else {
		t.cells = make([]keySeen, size)
	}
	t.n = 0
}

func (t *keyTable) find(key [2]uint64) *keySeen {
	if 2*t.n >= len(t.cells) {
		t.grow()
	}
	mask := uint64(len(t.cells) - 1)
	for i := (key[0] ^ key[1]>>7) & mask; ; i = (i + 1) & mask {
		c := &t.cells[i]
		if !c.used {
			c.used, c.key = true, key
			t.n++
			return c
		}
		if c.key == key {
			return c
		}
	}
}

func (t *keyTable) grow() {
	old := t.cells
	t.cells, t.n = make([]keySeen, max(2*len(old), 16)), 0
	for _, c := range old {
		if c.used {
			*t.find(c.key) = c
		}
	}
}

// size is the number of entries of a list.
func (s *keyStore) size(list int) int { return s.spill.size(list) / (s.words() + 1) }

// list goes through the entries of a list, in the order in which they were put.
func (s *keyStore) list(list int, visit func(key [2]uint64, word uint64)) error {
	width := s.words() + 1
	return s.spill.each(list, func(words []uint64) {
		for ; len(words) >= width; words = words[width:] {
			key := [2]uint64{words[0]}
			if width == 3 {
				key[1] = words[1]
			}
			visit(key, words[width-1])
		}
	})
}

// each goes through the keys, list by list: visit is called for every entry with what is known of its key, which visit updates;
// done after each list with all of its keys. The memory is that of the different keys of one list.
func (s *keyStore) each(visit func(seen *keySeen, word uint64), done func(all []keySeen)) error {
	var table keyTable
	for list := range s.spill.lists {
		table.reset(s.size(list))
		if err := s.list(list, func(key [2]uint64, word uint64) { visit(table.find(key), word) }); err != nil {
			return err
		}
		if done != nil {
			done(table.cells)
		}
	}
	return nil
}

// keyIsInt says whether the values of a column stand in Ints.
func keyIsInt(f dataset.Field) bool {
	return f.Type != dataset.Null && f.Type != dataset.Float && f.Type < dataset.Text && !(f.Type == dataset.Decimal && f.Wide)
}
