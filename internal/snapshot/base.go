package snapshot

import (
	"sort"

	"mlx/internal/object"
	"mlx/internal/snapshot/internal/chunk"
)

// maxBaseRows bounds the memory that a search for bases takes: a file of 32 GiB. A larger one is stored without deltas.
const maxBaseRows = 512 << 10

// baseFinder finds, for a chunk of a new version of a file, the chunk of the version before that it most likely came
// from: the one that follows the same 32 bytes, else the one at the place that the last such match predicts.
type baseFinder struct {
	ids   []object.Digest
	ends  []int64
	byCut map[uint64]int
	shift int64 // old offset minus new offset, at the last match
}

// oldRows returns the finder over what a dirty file was before; nil where that is unknown.
func (v *saver) oldRows(r *reader, t *item) *baseFinder {
	if t.sum.IsZero() || v.pool.dry {
		return nil
	}
	f := &baseFinder{byCut: map[uint64]int{}}
	if t.recipe == nil {
		f.add(row{ID: t.sum, Len: chunk.Max})
		return f
	}
	ok := true
	err := r.expand(*t.recipe, maxLevel+1, func(w row) bool {
		f.add(w)
		ok = len(f.ids) < maxBaseRows
		return ok
	})
	if err != nil || !ok { // it cannot be read, or is too long: then nothing is a delta
		return nil
	}
	return f
}

func (f *baseFinder) add(w row) {
	start := int64(0)
	if n := len(f.ends); n > 0 {
		start = f.ends[n-1]
	}
	if _, ok := f.byCut[w.Cut]; !ok {
		f.byCut[w.Cut] = len(f.ids)
	}
	f.ids = append(f.ids, w.ID)
	f.ends = append(f.ends, start+int64(w.Len))
}

// find returns the base for a chunk of size bytes at offset, after bytes with the given hash; zero for none. Of the old
// chunks at its place it is the one that overlaps the most: where a cut was lost, a chunk replaces two.
func (f *baseFinder) find(cut uint64, offset, size int64) object.Digest {
	if f == nil {
		return object.Digest{}
	}
	if i, ok := f.byCut[cut]; ok {
		f.shift = f.start(i) - offset
	}
	from := offset + f.shift
	best, most := -1, int64(0)
	i := sort.Search(len(f.ends), func(i int) bool { return f.ends[i] > from })
	for ; i < len(f.ids) && f.start(i) < from+size; i++ {
		if n := min(f.ends[i], from+size) - max(f.start(i), from); n > most {
			best, most = i, n
		}
	}
	if best < 0 {
		return object.Digest{}
	}
	return f.ids[best]
}

// start returns where old chunk i begins.
func (f *baseFinder) start(i int) int64 {
	if i == 0 {
		return 0
	}
	return f.ends[i-1]
}
