package scan

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

const hdf5Magic = "\x89HDF\r\n\x1a\n"

// hdf5 judges a file of HDF5, which Keras keeps models and weights in. HDF5 itself holds no code; what Keras acts on is one
// attribute, model_config, whose name and JSON lie in the file as they are unless a filter packs them. So every JSON text in
// the file is judged, wherever it lies, and a file that packs its attributes is not told.
func (s *inspection) hdf5(p place, b blob) (bool, error) {
	if !hasHDF5(b) {
		return false, nil
	}
	s.format("hdf5")
	marks, err := s.findMarks(b)
	if err != nil {
		return true, err
	}
	if marks.packed {
		s.unclear(p, 0, "packs its attributes, so that they cannot be looked into")
	}
	if marks.tables {
		s.unclear(p, 0, "is made by PyTables, which keeps pickles in attributes")
	}
	judged, broken := s.embedded(p, b)
	if marks.config && judged == 0 || broken {
		s.unclear(p, 0, "has a model_config that cannot be read")
	}
	return true, nil
}

// hasHDF5 looks where HDF5 looks for itself: at the start, then at 512, 1024, 2048 …
func hasHDF5(b blob) bool {
	for at := int64(0); at+8 <= b.size; at = max(512, at*2) {
		if string(b.at(at, 8)) == hdf5Magic {
			return true
		}
	}
	return false
}

type hdf5Marks struct{ config, packed, tables bool }

// findMarks searches the whole file for what decides how it must be judged.
func (s *inspection) findMarks(b blob) (hdf5Marks, error) {
	var m hdf5Marks
	for _, p := range b.stretches() {
		if err := s.ctx.Err(); err != nil {
			return m, err
		}
		m.config = m.config || bytes.Contains(p, []byte("model_config"))
		m.tables = m.tables || bytes.Contains(p, []byte("PYTABLES_FORMAT_VERSION")) || bytes.Contains(p, []byte("pandas_type"))
		for rest := p; ; {
			i := bytes.Index(rest, []byte("FRHP")) // the header of a heap: two bytes at 7 tell the length of its filters
			if i < 0 || len(rest)-i < 9 {
				break
			}
			m.packed = m.packed || rest[i+7] != 0 || rest[i+8] != 0
			rest = rest[i+4:]
		}
	}
	return m, nil
}

// maxEmbedded is how large a JSON text inside another file may be.
const maxEmbedded = 32 << 20

// embedded judges every JSON object that lies in the file as text. broken says that one began well and could not be read.
func (s *inspection) embedded(p place, b blob) (judged int, broken bool) {
	const step = 48 << 10
	skip := int64(0)
	for at := int64(0); at < b.size; at += step {
		chunk := b.at(at, step)
		for i, c := range chunk {
			if c != '{' || at+int64(i) < skip {
				continue
			}
			n, tree, good := jsonAt(b, at+int64(i))
			switch {
			case tree != nil:
				judged++
				skip = at + int64(i) + n
				s.config(p, *tree)
			case good:
				broken = true
			}
		}
	}
	return judged, broken
}

// jsonAt reads the JSON object at an offset. good says that it had at least one key before it broke, so that it is no chance.
func jsonAt(b blob, at int64) (n int64, tree *node, good bool) {
	head := bytes.TrimLeft(b.at(at+1, 64), " \t\r\n")
	if len(head) > 0 && head[0] != '"' || len(head) == 0 {
		return 0, nil, false
	}
	part := b.part(at, maxEmbedded)
	d := json.NewDecoder(io.LimitReader(part.reader(), maxEmbedded))
	d.UseNumber()
	value, err := decodeNode(d, 0)
	if err == nil {
		return d.InputOffset(), &value, true
	}
	return 0, nil, startsWithKey(part, err)
}

// startsWithKey says whether the text has a whole key and a colon.
func startsWithKey(part blob, err error) bool {
	d := json.NewDecoder(part.reader())
	if _, e := d.Token(); e != nil {
		return false
	}
	if _, e := d.Token(); e != nil {
		return false
	}
	_, e := d.Token()
	return e == nil || errors.Is(err, errJSON) && d.InputOffset() > 16
}
