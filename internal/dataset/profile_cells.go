package dataset

import (
	"slices"
	"sync"
	"sync/atomic"
)

// profileShared counts the values of one column for all goroutines that read the table: the cells do not depend on who comes first.
type profileShared struct {
	mu       sync.Mutex
	cells    sketchCells
	distinct sketchDistinct // once there are too many values to keep each, of those that were counted before
	shift    atomic.Int32   // of the cells: whoever adds some may use wide ones
}

// part describes the values of a batch, which it counts.
func (p *profileShared) part(f Field, keys []uint64, s *sketchScratch) *profileNumbers {
	n, runs := profileNumbersOf(f, keys, s)
	shift := int(p.shift.Load())
	if shift > 0 {
		for _, key := range runs.keys {
			n.distinct.add(sketchHash(key))
		}
	}
	s.cellsOf(runs, shift)
	p.add(s, runs, shift)
	return n
}

// add counts the cells of a batch with a shift; 0 says that how many different values there are was not estimated.
func (p *profileShared) add(s *sketchScratch, runs sketchRuns, shift int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cells.shift > 0 && shift == 0 {
		for _, key := range runs.keys {
			p.distinct.add(sketchHash(key))
		}
	}
	p.cells.add(s.cells, shift, &s.few, &s.joins)
	if len(p.cells.fresh) == 0 {
		p.collapse()
	}
}

func (p *profileShared) collapse() {
	if p.cells.shift == 0 && p.cells.over() {
		p.cells.hashInto(&p.distinct)
	}
	p.cells.collapse()
	p.shift.Store(int32(p.cells.shift))
}

// finish moves what was counted to where the profile keeps it.
func (p *profileShared) finish(n *profileNumbers) {
	p.cells.settle(&sketchRoom{})
	p.collapse()
	n.cells = p.cells
	n.distinct.merge(p.distinct)
	n.reduced = n.cells.shift > 0
	n.profileOrder = n.stretches.finish()
	if !n.reduced {
		n.forget()
	}
}

// hashInto estimates how many different values there are, of cells that hold one each.
func (s *sketchCells) hashInto(d *sketchDistinct) {
	for _, c := range s.cells {
		if c.single() {
			d.add(sketchHash(c.key))
		}
	}
}

// cellsOf makes s.cells those of runs.
func (s *sketchScratch) cellsOf(r sketchRuns, shift int) {
	cells := slices.Grow(s.cells[:0], len(r.keys))
	for i, key := range r.keys {
		cell := sketchCell{key, r.counts[i]}
		if last := len(cells) - 1; last >= 0 && cells[last].key>>shift == key>>shift {
			cells[last].even(cell, shift)
		} else {
			cells = append(cells, cell)
		}
	}
	s.cells = cells
}
