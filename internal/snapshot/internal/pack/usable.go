package pack

import "mlx/internal/object"

// Usable says whether a chunk can be read from the packs that skip does not name. A delta is as good as absent without
// its base: gc keeps the bases of live deltas only.
func (s *Set) Usable(d object.Digest, skip map[object.Digest]bool) bool {
	l, ok := s.Find(d, skip)
	if !ok || l.Frame.Codec != Delta {
		return ok
	}
	for _, f := range s.Files() { // one of several deltas may have its base
		e, ok := f.x.find(d)
		if !ok || skip[f.name] {
			continue
		}
		base, err := Loc{File: f, Frame: f.x.frame(int(e.frame))}.Base()
		if err != nil {
			continue
		}
		if b, ok := s.Find(base, skip); ok && b.Frame.Codec != Delta {
			return true
		}
	}
	return false
}

// BaseOf returns the digest of the base of a chunk, or false where it is stored in full or not at all.
func (s *Set) BaseOf(d object.Digest) (object.Digest, bool) {
	l, ok := s.Find(d, nil)
	if !ok || l.Frame.Codec != Delta {
		return object.Digest{}, false
	}
	base, err := l.Base()
	return base, err == nil
}
