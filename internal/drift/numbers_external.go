package drift

// sortOutside sorts keys that do not fit into memory: some at a time, each written to the file as a run, and then all runs as one.
func (p *pairing) sortOutside(c *column, convert func(uint64) uint64, most int) (*sorted, error) {
	s := c.keys.store
	if err := s.ready(); err != nil {
		return nil, err
	}
	var runs []sortedRun
	keys := make([]uint64, 0, most)
	write := func() error {
		if len(keys) == 0 {
			return nil
		}
		kept := p.w.sorter.sort(keys)
		at, err := writeWords(s, kept)
		runs = append(runs, sortedRun{store: s, at: at, left: int64(len(kept))})
		keys = kept[:0:cap(kept)]
		return err
	}
	err := p.w.words.each(c.keys, func(words []uint64) error {
		for len(words) > 0 {
			n := min(len(words), most-len(keys))
			for _, k := range words[:n] {
				if convert != nil {
					k = convert(k)
				}
				keys = append(keys, k)
			}
			if words = words[n:]; len(keys) == most {
				if err := write(); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil {
		err = write()
	}
	if err != nil {
		return nil, err
	}
	out := &sorted{axis: p.axis, n: c.keys.n, store: s}
	out.from, err = mergeRuns(s, runs, out.n)
	return out, err
}

// writeWords writes keys one after the other and says where.
func writeWords(s *store, keys []uint64) (int64, error) {
	at := s.reserve(8 * int64(len(keys)))
	w := wordWriter{store: s, at: at}
	err := w.write(keys)
	return at, err
}

// wordWriter writes words to a place of the file that is its own.
type wordWriter struct {
	store *store
	at    int64
	bytes []byte
}

func (w *wordWriter) write(words []uint64) error {
	for len(words) > 0 {
		n := min(len(words), spillBlock)
		w.bytes = encodeWords(w.bytes[:0], words[:n])
		if _, err := w.store.file.WriteAt(w.bytes, w.at); err != nil {
			return w.store.failed(err)
		}
		w.at += int64(len(w.bytes))
		words = words[n:]
	}
	return nil
}

// sortedRun is a run while it is merged.
type sortedRun struct {
	store  *store
	at     int64
	left   int64 // words that were not read
	reader reader[uint64]
	words  []uint64
}

const runWindow = 1 << 13 // words of a run in memory

// fill makes sure that the next word is at hand; false at the end.
func (r *sortedRun) fill() (bool, error) {
	if len(r.words) > 0 {
		return true, nil
	}
	n := int(min(r.left, runWindow))
	if n == 0 {
		return false, nil
	}
	words, err := r.reader.block(r.store, block{r.at, n})
	if err != nil {
		return false, err
	}
	r.words, r.at, r.left = words, r.at+8*int64(n), r.left-int64(n)
	return true, nil
}

// mergeRuns writes the keys of all runs in order and says where.
func mergeRuns(s *store, runs []sortedRun, n int64) (int64, error) {
	from := s.reserve(8 * n)
	heap := make([]*sortedRun, 0, len(runs))
	for i := range runs {
		ok, err := runs[i].fill()
		if err != nil {
			return 0, err
		}
		if ok {
			heap = append(heap, &runs[i])
		}
	}
	for i := len(heap)/2 - 1; i >= 0; i-- {
		sink(heap, i)
	}
	w := wordWriter{store: s, at: from}
	out := make([]uint64, 0, spillBlock)
	for len(heap) > 0 {
		r := heap[0]
		out = append(out, r.words[0])
		r.words = r.words[1:]
		ok, err := r.fill()
		if err != nil {
			return 0, err
		}
		if !ok {
			heap[0] = heap[len(heap)-1]
			heap = heap[:len(heap)-1]
		}
		if len(heap) > 0 {
			sink(heap, 0)
		}
		if len(out) == cap(out) || len(heap) == 0 {
			if err := w.write(out); err != nil {
				return 0, err
			}
			out = out[:0]
		}
	}
	return from, nil
}

// sink restores the order of a heap whose entry i may be too large.
func sink(heap []*sortedRun, i int) {
	for {
		least := i
		for k := 2*i + 1; k <= 2*i+2 && k < len(heap); k++ {
			if heap[k].words[0] < heap[least].words[0] {
				least = k
			}
		}
		if least == i {
			return
		}
		heap[i], heap[least] = heap[least], heap[i]
		i = least
	}
}
