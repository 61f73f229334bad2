package dataset

import "math/bits"

// sketchCoder writes numbers in as few bits as what came before makes them likely, or reads them: the same calls do both, so that what
// is read is what was written. It is the range coder of LZMA (I. Pavlov), with probabilities of 15 bits. What it writes is the same
// with every version of every library, as a profile must be.
type sketchCoder struct {
	writing bool
	bad     bool // what was read was never written
	width   uint32

	low   uint64 // of the writer
	held  int    // bytes that a carry may still change
	first byte
	out   []byte

	code uint32 // of the reader
	in   []byte
}

// sketchChance is the probability of a zero, in 2^-15.
type sketchChance uint16

const sketchEven sketchChance = 1 << 14

func newSketchWriter() *sketchCoder { return &sketchCoder{writing: true, width: 1<<32 - 1, held: 1} }

func newSketchReader(in []byte) *sketchCoder {
	c := &sketchCoder{width: 1<<32 - 1, in: in}
	for range 4 {
		c.code = c.code<<8 | uint32(c.next())
	}
	return c
}

func (c *sketchCoder) next() byte {
	if len(c.in) == 0 {
		c.bad = true
		return 0
	}
	b := c.in[0]
	c.in = c.in[1:]
	return b
}

// shift moves eight bits out.
func (c *sketchCoder) shift() {
	if uint32(c.low) < 0xff000000 || c.low>>32 != 0 {
		carry := byte(c.low >> 32)
		b := c.first
		for ; c.held > 0; c.held-- {
			c.out = append(c.out, b+carry)
			b = 0xff
		}
		c.first = byte(c.low >> 24)
	}
	c.held++
	c.low = c.low & 0x00ffffff << 8
}

// bytes ends what was written.
func (c *sketchCoder) bytes() []byte {
	for range 5 {
		c.shift()
	}
	return c.out[1:] // the first is always zero
}

// bit writes b, or returns what is read.
func (c *sketchCoder) bit(p *sketchChance, b uint32) uint32 {
	bound := c.width >> 15 * uint32(*p)
	if c.writing && b != 0 || !c.writing && c.code >= bound {
		c.width -= bound
		if c.writing {
			c.low += uint64(bound)
		} else {
			c.code -= bound
		}
		*p -= *p >> 5
		b = 1
	} else {
		c.width = bound
		*p += (1<<15 - *p) >> 5
		b = 0
	}
	c.normal()
	return b
}

func (c *sketchCoder) normal() {
	for c.width < 1<<24 {
		c.width <<= 8
		if c.writing {
			c.shift()
		} else {
			c.code = c.code<<8 | uint32(c.next())
		}
	}
}

// plain writes or reads the low n bits of v, of which nothing is known.
func (c *sketchCoder) plain(v uint64, n int) uint64 {
	var read uint64
	for i := n - 1; i >= 0; i-- {
		c.width >>= 1
		b := v >> i & 1
		switch {
		case !c.writing && c.code >= c.width:
			c.code -= c.width
			b = 1
		case !c.writing:
			b = 0
		case b != 0:
			c.low += uint64(c.width)
		}
		read = read<<1 | b
		c.normal()
	}
	return read
}

// tree writes or reads n bits, each by those above it. There are 2^n chances.
func (c *sketchCoder) tree(chances []sketchChance, v uint64, n int) uint64 {
	at := uint64(1)
	for i := n - 1; i >= 0; i-- {
		p := &chances[at]
		if *p == 0 {
			*p = sketchEven
		}
		at = at<<1 | uint64(c.bit(p, uint32(v>>i&1)))
	}
	return at - 1<<n
}

// sketchNumber is what is known of numbers of one sort: how long they are in bits, by what the writer and the reader both know, and
// their first bits.
type sketchNumber struct {
	length [][128]sketchChance
	first  [65][8]sketchChance
}

func newSketchNumber(sorts int) *sketchNumber {
	return &sketchNumber{length: make([][128]sketchChance, sorts)}
}

// length writes or reads a length of at most 64, which is likely near the one that is expected: whether it is that, on which side, and
// how far away.
func (c *sketchCoder) length(chances *[128]sketchChance, n, expected int) int {
	chance := func(i int) *sketchChance {
		if chances[i] == 0 {
			chances[i] = sketchEven
		}
		return &chances[i]
	}
	if c.bit(chance(0), sketchTruth(n != expected)) == 0 {
		return expected
	}
	side, base := 1, 2
	if c.bit(chance(1), sketchTruth(n < expected)) != 0 {
		side, base = -1, 64
	}
	for d := 1; ; d++ {
		at := expected + side*d
		if at <= 0 || at >= 64 || c.bit(chance(base+d), sketchTruth(n != at)) == 0 {
			return at
		}
	}
}

// number writes or reads a number of a sort, whose length is about what is expected.
func (c *sketchCoder) number(m *sketchNumber, sort, expected int, v uint64) uint64 {
	n := c.length(&m.length[sort], bits.Len64(v), expected)
	switch {
	case n < 0 || n > 64:
		c.bad = true
		return 0
	case n < 2:
		return uint64(n)
	}
	head := min(n-1, 3)
	top := c.tree(m.first[n][:], v>>(n-1-head)&(1<<head-1), head)
	return (1<<head|top)<<(n-1-head) | c.plain(v, n-1-head)
}

// sketchPlaces are what is known of where cells lie and of how much they hold.
type sketchPlaces struct {
	counts, gaps *sketchNumber
	same, close  [2]sketchChance
	levels       [65][128]sketchChance
}

// cells writes the cells of a list, or reads n of them: of each its count, its level if that is another, and how far it lies from the
// one before.
func (c *sketchCoder) cells(list []sketchCell, n, shift int) []sketchCell {
	m := &sketchPlaces{counts: newSketchNumber(131), gaps: newSketchNumber(65), same: [2]sketchChance{sketchEven, sketchEven},
		close: [2]sketchChance{sketchEven, sketchEven}}
	var before [2]uint64          // counts
	var next, gap, lastGap uint64 // the first key that is free; the gap before, and the last that was one
	level, region, changed := shift, 64, 0
	for i := 0; i < n && !c.bad; i++ {
		var cell sketchCell
		if c.writing {
			cell = list[i]
		}
		if i > 0 && next == 0 {
			c.bad = true // the last one ended where keys end
			break
		}
		count := c.number(m.counts, sketchSort(before[0]+before[1]), sketchHalf(before[0]+before[1]), uint64(cell.count()))
		before[0], before[1] = before[1], count
		if c.bit(&m.same[changed], sketchTruth(cell.level() != level)) != 0 {
			level, changed = int(c.tree(m.levels[level][:], uint64(cell.level()), 7)), 1
		} else {
			changed = 0
		}
		if level > 64 || level > 0 && level < shift || count == 0 || count > 1<<61 {
			c.bad = true
			break
		}
		was := region
		region = max(level, shift)
		unit := min(region, was)
		start := cell.start() >> region << region
		was = int(sketchTruth(gap > 0))
		gap = (start - next) >> unit
		if c.bit(&m.close[was], sketchTruth(gap > 0)) != 0 {
			gap = c.number(m.gaps, bits.Len64(lastGap), bits.Len64(lastGap), gap)
			lastGap = gap
		} else {
			gap = 0
		}
		if !c.writing {
			start = next + gap<<unit
			c.bad = c.bad || gap<<unit>>unit != gap || start < next || start>>region<<region != start
		}
		next = start + 1<<region // 0 behind the last key
		if level < region {
			start |= c.plain(cell.start(), region)
		}
		if !c.writing && level == 0 {
			list = append(list, sketchCell{start, int64(count)})
		} else if !c.writing {
			list = append(list, sketchCellAt(start, level, int64(count)))
		}
	}
	return list
}

// sketchSort is the half logarithm of a count: what its neighbours tell.
func sketchSort(sum uint64) int {
	size := bits.Len64(sum)
	if size < 2 {
		return size
	}
	return 2*size + int(sum>>(size-2)&1) - 2
}

// sketchHalf is the length of half a sum.
func sketchHalf(sum uint64) int { return max(bits.Len64(sum)-1, 1) }

func sketchTruth(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// sketchLetters is what is known of texts.
type sketchLetters struct {
	shared, rest *sketchNumber
	after        [256][256]sketchChance
}

func newSketchLetters() *sketchLetters {
	return &sketchLetters{shared: newSketchNumber(1), rest: newSketchNumber(1)}
}

// text writes a text, or reads one of at most longest bytes, whose beginning is often that of the one before.
func (c *sketchCoder) text(m *sketchLetters, before, s string) string {
	same := 0
	for c.writing && same < min(len(before), len(s)) && before[same] == s[same] {
		same++
	}
	same = int(c.number(m.shared, 0, 3, uint64(same)))
	rest := int(c.number(m.rest, 0, 3, uint64(len(s)-min(same, len(s)))))
	if same < 0 || same > len(before) || rest < 0 || rest > longestProfileText-same {
		c.bad = true
		return ""
	}
	letters := make([]byte, 0, same+rest)
	letters = append(letters, before[:same]...)
	last := byte(0)
	if same > 0 {
		last = letters[same-1]
	}
	for i := range rest {
		var letter byte
		if c.writing {
			letter = s[same+i]
		}
		letter = byte(c.tree(m.after[last][:], uint64(letter), 8))
		letters = append(letters, letter)
		last = letter
	}
	return string(letters)
}

// texts writes items, or reads n of them.
func (c *sketchCoder) texts(m *sketchLetters, items []sketchItem[string], n int) []sketchItem[string] {
	counts := newSketchNumber(131)
	var it sketchItem[string]
	for i := 0; i < n && !c.bad; i++ {
		before := it
		if c.writing {
			it = items[i]
		}
		it.key = c.text(m, before.key, it.key)
		it.count = int64(c.number(counts, sketchSort(uint64(before.count)), bits.Len64(uint64(before.count)), uint64(it.count)))
		if !c.writing {
			items = append(items, it)
		}
	}
	return items
}

// registers writes the registers of an estimate, or reads them.
func (c *sketchCoder) registers(registers []uint8) []uint8 {
	chances := make([]sketchChance, 64)
	if !c.writing {
		registers = make([]uint8, sketchRegisters)
	}
	for i := range registers {
		registers[i] = uint8(c.tree(chances, uint64(registers[i]), 6))
	}
	return registers
}
