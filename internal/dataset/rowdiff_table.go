package dataset

import "math/bits"

// rowTable finds entries by their keys: open addressing with linear probing, at most half full.
type rowTable struct {
	slots   []uint32 // number of the entry plus one
	entries []rowHeld
	mask    uint64
}

// rowHeld is an entry and what was met of it. Of tables with a key: the row of either table plus one. Of whole rows: how often either
// table has it.
type rowHeld struct {
	key  [2]uint64
	rest uint64
	met  [2]int64
}

func (t *rowTable) reset(entries int) {
	slots := 1 << bits.Len(uint(max(2*entries, 16)))
	if cap(t.slots) < slots {
		t.slots = make([]uint32, slots)
	} else {
		t.slots = t.slots[:slots]
		clear(t.slots)
	}
	t.mask = uint64(slots - 1)
	t.entries = t.entries[:0]
}

// find returns the entry of a key. With make it makes one that has none yet, and says so.
func (t *rowTable) find(key [2]uint64, make bool) (held *rowHeld, isNew bool) {
	if make && 2*len(t.entries) >= len(t.slots) {
		t.grow()
	}
	for at := key[0] & t.mask; ; at = (at + 1) & t.mask {
		n := t.slots[at]
		if n == 0 {
			if !make {
				return nil, false
			}
			t.entries = append(t.entries, rowHeld{key: key})
			t.slots[at] = uint32(len(t.entries))
			return &t.entries[len(t.entries)-1], true
		}
		if e := &t.entries[n-1]; e.key == key {
			return e, false
		}
	}
}

func (t *rowTable) grow() {
	t.slots = make([]uint32, 2*len(t.slots))
	t.mask = uint64(len(t.slots) - 1)
	for i := range t.entries {
		at := t.entries[i].key[0] & t.mask
		for t.slots[at] != 0 {
			at = (at + 1) & t.mask
		}
		t.slots[at] = uint32(i + 1)
	}
}

// keyed meets an entry of tables with a key.
func (j *rowJoin) keyed(e *rowEntry, side int) {
	held, isNew := j.table.find(e.key, true)
	switch {
	case isNew:
		held.rest = e.rest
	case held.met[side] != 0:
		j.found.twice[side].take(rowTwice{[2]int64{held.met[side] - 1, e.row}, 1})
		return
	case held.rest != e.rest:
		j.found.differ = append(j.found.differ, [2]int64{held.met[0] - 1, e.row})
	}
	held.met[side] = e.row + 1
}

// unmatched notes the entries that only one table has.
func (j *rowJoin) unmatched() {
	for i := range j.table.entries {
		switch met := j.table.entries[i].met; {
		case met[1] == 0:
			j.found.differ = append(j.found.differ, [2]int64{met[0] - 1, -1})
		case met[0] == 0:
			j.found.added = append(j.found.added, met[1]-1)
		}
	}
}

// counted meets a whole row. Of a row that stands more often in the second table the last copies are new.
func (j *rowJoin) counted(e *rowEntry, side int) {
	held, _ := j.table.find(e.key, side == 0)
	switch {
	case held == nil:
		j.found.added = append(j.found.added, e.row)
	case side == 0:
		held.met[0]++
	default:
		held.met[1]++
		if held.met[1] > held.met[0] {
			j.found.added = append(j.found.added, e.row)
		}
	}
}

// surplus notes the rows that stand more often in the first table: the last copies were removed.
func (j *rowJoin) surplus(first *rowSpill, part int) error {
	some := false
	for i := range j.table.entries {
		e := &j.table.entries[i]
		some = some || e.met[0] > e.met[1]
		e.met[0] = 0
	}
	if !some {
		return nil
	}
	for block, err := range first.blocks(part) {
		if err != nil {
			return err
		}
		for ; len(block) >= rowEntrySize; block = block[rowEntrySize:] {
			e := rowEntryAt(block)
			held, _ := j.table.find(e.key, false)
			if held.met[0]++; held.met[0] > held.met[1] {
				j.found.differ = append(j.found.differ, [2]int64{e.row, -1})
			}
		}
		if err := j.report(rowFoundMost); err != nil {
			return err
		}
	}
	return nil
}
