package scan

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// field is one field of a protocol buffer: its number, wire type, number or place of its bytes.
type field struct {
	number uint64
	wire   uint64
	value  uint64
	at, n  int64
}

// fields calls visit for each field between from and to, and says whether all of it are fields.
func fields(b blob, from, to int64, visit func(field) bool) bool {
	c := newCursor(b.part(0, to), from)
	for c.left() > 0 {
		tag, ok := uvarint(c)
		f := field{number: tag >> 3, wire: tag & 7, at: c.pos}
		if !ok || f.number == 0 {
			return false
		}
		switch f.wire {
		case 0:
			f.value, ok = uvarint(c)
		case 1:
			ok = c.skip(8) == nil
		case 5:
			ok = c.skip(4) == nil
		case 2:
			var n uint64
			if n, ok = uvarint(c); ok && n <= uint64(c.left()) {
				f.at, f.n = c.pos, int64(n)
				ok = c.skip(f.n) == nil
			} else {
				ok = false
			}
		default:
			ok = false
		}
		if !ok || !visit(f) {
			return false
		}
	}
	return true
}

func uvarint(c *cursor) (uint64, bool) {
	var buf [binary.MaxVarintLen64]byte
	for i := range buf {
		x, err := c.byte()
		if err != nil {
			return 0, false
		}
		buf[i] = x
		if x < 0x80 {
			v, n := binary.Uvarint(buf[:i+1])
			return v, n > 0
		}
	}
	return 0, false
}

// onnx judges a graph of ONNX, or says that the file is none. A graph holds no code; its tensors may lie in other files.
func (s *inspection) onnx(p place, b blob) (bool, error) {
	version, graph := false, false
	whole := fields(b, 0, b.size, func(f field) bool {
		version = version || f.number == 1 && f.wire == 0 && f.value > 0 && f.value < 100
		graph = graph || f.number == 7 && f.wire == 2
		return f.number <= 26
	})
	if !whole || !version || !graph {
		return s.savedModel(p, b)
	}
	s.format("onnx")
	fields(b, 0, b.size, func(f field) bool {
		switch f.number {
		case 7:
			s.onnxPart(p, b, f, graphFields, 0)
		case 25: // functions
			s.onnxPart(p, b, f, functionFields, 0)
		}
		return true
	})
	return true, s.ctx.Err()
}

// onnxKind is a message of ONNX that is walked.
type onnxKind uint8

const (
	graphFields onnxKind = iota
	functionFields
	nodeFields
	attributeFields
	tensorFields
	sparseFields
)

// child says what a field of a message holds that is walked too.
func (k onnxKind) child(number uint64) (onnxKind, bool) {
	type step struct {
		in     onnxKind
		number uint64
	}
	next, ok := map[step]onnxKind{
		{graphFields, 1}: nodeFields, {graphFields, 5}: tensorFields, {graphFields, 15}: sparseFields, {functionFields, 7}: nodeFields,
		{nodeFields, 5}: attributeFields, {attributeFields, 5}: tensorFields, {attributeFields, 6}: graphFields, {attributeFields, 10}: tensorFields,
		{attributeFields, 11}: graphFields, {attributeFields, 22}: sparseFields, {attributeFields, 23}: sparseFields,
		{sparseFields, 1}: tensorFields, {sparseFields, 2}: tensorFields,
	}[step{k, number}]
	return next, ok
}

func (s *inspection) onnxPart(p place, b blob, m field, kind onnxKind, depth int) {
	if depth > 32 || s.ctx.Err() != nil {
		s.unclear(p, m.at, "has graphs inside graphs, deeper than is followed")
		return
	}
	whole := fields(b, m.at, m.at+m.n, func(f field) bool {
		if f.wire != 2 {
			return true
		}
		if next, ok := kind.child(f.number); ok {
			s.onnxPart(p, b, f, next, depth+1)
			return true
		}
		switch {
		case kind == nodeFields && f.number == 7:
			s.onnxDomain(p, string(b.at(f.at, int(min(f.n, 256)))))
		case kind == tensorFields && f.number == 13:
			s.onnxPlace(p, b, f)
		}
		return true
	})
	if !whole {
		s.unclear(p, m.at, "is a broken graph of ONNX")
	}
}

// onnxPlace judges where a tensor says that its bytes lie: a key and a value.
func (s *inspection) onnxPlace(p place, b blob, m field) {
	key, value := "", ""
	fields(b, m.at, m.at+m.n, func(f field) bool {
		switch f.number {
		case 1:
			key = string(b.at(f.at, int(min(f.n, 256))))
		case 2:
			value = string(b.at(f.at, int(min(f.n, 4096))))
		}
		return true
	})
	if key == "location" && unsafePath(value) {
		s.block(p, m.at, "would read a tensor from "+value+", outside of the folder of the model", "CVE-2024-5187")
	}
}

// onnxDomain notes operators that a library beside the file must bring.
func (s *inspection) onnxDomain(p place, domain string) {
	switch domain {
	case "", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training", "com.microsoft":
		return
	}
	s.found(p, Finding{Severity: Warn, Name: domain, What: "has operators of " + domain + ", whose code is not in the file", Source: "https://onnx.ai/onnx/intro/concepts.html"})
}

// savedModel recognises a graph of TensorFlow, whose operators can read and write files.
func (s *inspection) savedModel(p place, b blob) (bool, error) {
	graphs := 0
	whole := fields(b, 0, b.size, func(f field) bool {
		if f.number == 2 && f.wire == 2 {
			graphs++
		}
		return f.number <= 2
	})
	if !whole || graphs == 0 {
		return false, nil
	}
	s.format("tensorflow")
	s.unclear(p, 0, "is a graph of TensorFlow, whose operators are not judged")
	for at, part := range b.stretches() {
		for _, op := range []string{"ReadFile", "WriteFile", "PyFunc", "EagerPyFunc", "PyFuncStateless", "MatchingFiles", "Save\x12", "PrintV2"} {
			if bytes.Contains(part, []byte(op)) {
				s.block(p, at, "has the operator "+strings.TrimRight(op, "\x12")+", which reaches outside of its tensors", "https://github.com/tensorflow/tensorflow/blob/master/SECURITY.md")
			}
		}
	}
	return true, nil
}
