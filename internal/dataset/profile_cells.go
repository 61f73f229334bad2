package dataset

import (
	"sync"
	"sync/atomic"
)

// profileShared counts the values of one column for all goroutines that read the table: the cells do not depend on who comes first.
type profileShared struct {
	mu       sync.Mutex
	cells    sketchCells
	room     sketchRoom
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
	p.add(s.cellsOf(runs, shift), runs, shift > 0)
	return n
}

// add counts the values of a batch, which are in order. hashed says that the caller estimates how many different ones there are.
func (p *profileShared) add(list []sketchCell, runs sketchRuns, hashed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cells.shift > 0 && !hashed {
		for _, key := range runs.keys {
			p.distinct.add(sketchHash(key))
		}
	}
	p.cells.add(list, &p.room)
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
	p.cells.settle(&p.room)
	p.collapse()
	p.room = sketchRoom{}
	p.cells.fresh = nil
	n.cells = p.cells
	n.distinct.merge(p.distinct)
	n.reduced = n.cells.shift > 0
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

// cellsOf are the cells of runs, in the memory of the scratch.
func (s *sketchScratch) cellsOf(r sketchRuns, shift int) []sketchCell {
	s.cells = s.cells[:0]
	for i, key := range r.keys {
		s.cells = sketchPut(s.cells, sketchCell{key, r.counts[i]}, shift)
	}
	return s.cells
}
