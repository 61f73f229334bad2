package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// erasedMagic begins the list of what was erased; sorted digests follow.
const erasedMagic = "mlx erased 1\n" + algorithm

func (s *Store) erasedPath() string { return filepath.Join(s.o.Dir, "erased") }

// Erased returns the objects that were erased from this store, and never come back.
func (s *Store) Erased() (map[object.Digest]bool, error) {
	b, err := os.ReadFile(s.erasedPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what was erased: %w", err)
	}
	return parseErased(b)
}

// parseErased reads the list. A damaged one stops every writer: what was erased must not come back.
func parseErased(b []byte) (map[object.Digest]bool, error) {
	rest, ok := bytes.CutPrefix(b, []byte(erasedMagic))
	const n = len(object.Digest{})
	if !ok || len(rest)%n != 0 {
		return nil, fault.New(fault.Integrity, "the list of what was erased is damaged")
	}
	out := make(map[object.Digest]bool, len(rest)/n)
	for i := 0; i < len(rest); i += n {
		if i > 0 && bytes.Compare(rest[i-n:i], rest[i:i+n]) >= 0 {
			return nil, fault.New(fault.Integrity, "the list of what was erased is damaged")
		}
		out[object.Digest(rest[i:i+n])] = true
	}
	return out, nil
}

// Remember enters objects that must never come into this store, be they here or not: what another clone has erased.
func (s *Store) Remember(ids []object.Digest) error {
	return s.changeErased(func(m map[object.Digest]bool) {
		for _, d := range ids {
			m[d] = true
		}
	})
}

// Forget allows erased objects again.
func (s *Store) Forget(ids []object.Digest) error {
	return s.changeErased(func(m map[object.Digest]bool) {
		for _, d := range ids {
			delete(m, d)
		}
	})
}

// changeErased changes the list. Of two processes at once, the one whose change was lost repeats it.
func (s *Store) changeErased(change func(map[object.Digest]bool)) error {
	if err := s.prepare(); err != nil {
		return err
	}
	for range 100 {
		have, err := s.Erased()
		if err != nil {
			return err
		}
		want := map[object.Digest]bool{}
		maps.Copy(want, have)
		if change(want); maps.Equal(have, want) {
			return nil
		}
		b := []byte(erasedMagic)
		for _, d := range slices.SortedFunc(maps.Keys(want), object.Digest.Compare) {
			b = append(b, d[:]...)
		}
		if err := s.writeOnce(s.erasedPath(), b); err != nil {
			return err
		}
	}
	return fault.New(fault.Conflict, "others change the list of what was erased all the time")
}

// errErased is why a chunk is not stored.
var errErased = fault.New(fault.Conflict, "its content was erased from this store")
