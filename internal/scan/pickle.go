package scan

import (
	"errors"
	"regexp"
	"sync"
)

// pickles judges a file as pickle.load, joblib.load and torch.load would read it: one pickle, or several in a row. It says
// whether the file is made of pickles.
func (s *inspection) pickles(p place, b blob) (bool, error) {
	first, err := s.pickleAt(p, b, 0)
	if err != nil || first == nil {
		return false, err
	}
	s.format("pickle")
	if first.arrays > 0 {
		s.format("joblib")
	}
	if !first.stopped {
		return true, nil
	}
	if first.torch.magic {
		return true, s.legacy(p, b, first.cur.pos)
	}
	return true, s.row(p, b, first.cur.pos)
}

// keep takes over what a walker found, and judges the bytes that its pickle hands to another loader.
func (s *inspection) keep(w *walker) error {
	for _, f := range w.found {
		s.add(f)
	}
	for _, v := range w.inner {
		if err := s.judge(w.p.member("bytes", plainFile), w.cur.b.part(v.off, int64(v.n))); err != nil {
			return err
		}
	}
	return nil
}

// row follows the pickles after the first. What comes after the last one, no reader of one pickle sees, but a reader that
// calls load again does.
func (s *inspection) row(p place, b blob, at int64) error {
	for n := 0; at < b.size; n++ {
		if n >= maxRow {
			s.unclear(p, at, "holds more pickles in a row than are followed")
			return nil
		}
		w, err := s.pickleAt(p, b, at)
		if err != nil {
			return err
		}
		if w == nil || !w.stopped {
			s.unclear(p, at, "goes on after the end of the pickle")
			return nil
		}
		at = w.cur.pos
	}
	return nil
}

// maxRow is how many pickles in a row are followed.
const maxRow = 100_000

// pickleAt judges the pickle at an offset, or returns nil if none is there: no opcode imports, asks or calls, and it does
// not end well either.
func (s *inspection) pickleAt(p place, b blob, at int64) (*walker, error) {
	w := s.newWalker(p, newCursor(b, at))
	broken := w.walk()
	if err := s.ctx.Err(); err != nil {
		return nil, err
	}
	if !w.isPickle(at) {
		return nil, nil
	}
	if broken != nil {
		w.broken(broken)
	}
	if w.arrays > 0 {
		s.asPlain(w, at)
	}
	return w, s.keep(w)
}

// broken says why the pickle could not be followed to its end.
func (w *walker) broken(err error) {
	what := "is a broken pickle: " + err.Error()
	if errors.Is(err, errTooMany) || errors.Is(err, errArray) || errors.Is(err, errArrayFrame) {
		what = "cannot be followed to its end: " + err.Error()
	}
	w.found = append(w.found, Finding{Severity: Unclear, File: w.p.file, Inside: w.p.inside, Offset: w.at, What: what})
}

// asPlain follows the same pickle once more as pickle.load reads it, for which the bytes of arrays are opcodes. It breaks
// soon on honest arrays; what it imports before counts.
func (s *inspection) asPlain(w *walker, at int64) {
	plain := s.newWalker(w.p, newCursor(w.cur.b, at))
	plain.plain = true
	_ = plain.walk()
	for _, f := range plain.found {
		if f.Severity == Block && properName().MatchString(f.Name) {
			w.found = append(w.found, f)
		}
	}
}

// properName is a name that Python could import: random bytes are none. The classes of Unicode make it a large program, which is compiled
// when a pickle is looked at and not whenever mlx starts.
var properName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[\pL_][\pL\pN_]*(\.[\pL_][\pL\pN_]*)+$`)
})

// isPickle says whether what was walked is a pickle and no text or number that looks like opcodes for a while.
func (w *walker) isPickle(at int64) bool {
	head := w.cur.b.at(at, 2)
	if len(head) == 2 && head[0] == 0x80 && head[1] <= 5 {
		return true
	}
	for _, g := range w.globals {
		if properName().MatchString(g.String()) {
			return true
		}
	}
	if w.stopped {
		return w.acts > 0 || w.cur.left() == 0 || w.ops > 8
	}
	return w.acts > len(w.globals)
}

// legacy follows the other four pickles of a file that torch wrote before it wrote zips, then its tensors.
func (s *inspection) legacy(p place, b blob, at int64) error {
	s.format("torch legacy")
	var state torchState
	var keys []string
	for i := range 4 {
		w := s.newWalker(p, newCursor(b, at))
		w.keys = i == 3
		broken := w.walk()
		if broken != nil {
			w.broken(broken)
		}
		if err := s.keep(w); err != nil {
			return err
		}
		if broken != nil {
			return s.ctx.Err()
		}
		at = w.cur.pos
		if i == 2 {
			state = w.torch
		}
		for _, v := range w.texts {
			if key, ok := w.text(v, 128); ok {
				keys = append(keys, key)
			}
		}
	}
	if what := legacyTorch(newCursor(b, at), state, keys); what != "" {
		s.unclear(p, at, what)
	}
	return nil
}
