package scan

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// memo holds what was remembered: a dense part, and a map for numbers far beyond it, so that a file cannot ask for memory
// with one large number.
type memo struct {
	dense  []value
	known  []bool
	sparse map[uint64]value
	count  int
}

func (m *memo) get(i uint64) (value, bool) {
	if i < uint64(len(m.dense)) && m.known[i] {
		return m.dense[i], true
	}
	v, ok := m.sparse[i]
	return v, ok
}

func (m *memo) put(i uint64, v value) error {
	if _, ok := m.get(i); !ok {
		if m.count >= maxMemo {
			return errTooMany
		}
		m.count++
	}
	n := uint64(len(m.dense))
	switch {
	case i < n:
		m.dense[i], m.known[i] = v, true
	case i < n+1024:
		for uint64(len(m.dense)) <= i {
			m.dense, m.known = append(m.dense, value{}), append(m.known, false)
		}
		m.dense[i], m.known[i] = v, true
	default:
		if m.sparse == nil {
			m.sparse = make(map[uint64]value)
		}
		m.sparse[i] = v
		return nil
	}
	delete(m.sparse, i)
	return nil
}

func (w *walker) opMark(operand) error {
	if len(w.marks) >= maxStack {
		return errTooMany
	}
	w.marks = append(w.marks, len(w.stack))
	return nil
}

func (w *walker) opPop(operand) error {
	if len(w.marks) > 0 && len(w.stack) == w.fence() {
		w.marks = w.marks[:len(w.marks)-1]
		return nil
	}
	_, err := w.pop(1)
	return err
}

func (w *walker) opPopMark(operand) error {
	_, err := w.popMark()
	return err
}

func (w *walker) opDup(operand) error {
	v, err := w.top()
	if err != nil {
		return err
	}
	return w.push(*v)
}

func (w *walker) opStop(operand) error {
	v, err := w.pop(1)
	if err != nil {
		return err
	}
	w.torch.note(v[0])
	return errStop
}

// number reads the decimal number of a PUT or GET, only as pickle writes it: what Python also forgives is refused.
func number(line []byte) (uint64, error) {
	n, err := strconv.ParseUint(string(line), 10, 63)
	if err != nil || len(line) > 1 && line[0] == '0' || line[0] == '+' {
		return 0, errNumber
	}
	return n, nil
}

func (w *walker) opGetLine(o operand) (err error) {
	if o.n, err = number(o.line); err != nil {
		return err
	}
	return w.opGet(o)
}

func (w *walker) opGet(o operand) error {
	v, ok := w.memo.get(o.n)
	if !ok {
		return errMemo
	}
	return w.push(v)
}

func (w *walker) opPutLine(o operand) (err error) {
	if o.n, err = number(o.line); err != nil {
		return err
	}
	return w.opPut(o)
}

func (w *walker) opPut(o operand) error {
	v, err := w.top()
	if err != nil {
		return err
	}
	return w.memo.put(o.n, *v)
}

func (w *walker) opMemoize(operand) error { return w.opPut(operand{n: uint64(w.memo.count)}) }

func (w *walker) opInt(o operand) error {
	if n, err := strconv.ParseInt(string(o.line), 10, 64); err == nil && string(o.line) != "00" && string(o.line) != "01" {
		return w.push(value{kind: kindInt, off: n})
	}
	return w.push(value{kind: kindPlain})
}

func (w *walker) opSmallInt(o operand) error {
	n := int64(o.n)
	if w.op.arg == arg4 {
		n = int64(int32(o.n))
	}
	return w.push(value{kind: kindInt, off: n})
}

// torchMagic opens a file that torch wrote before it wrote zips.
var torchMagic = []byte{0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19}

func (w *walker) opLong(o operand) error {
	b := w.cur.b.at(o.off, int(o.n))
	switch {
	case bytes.Equal(b, torchMagic):
		return w.push(value{kind: kindMagic})
	case len(b) < 8:
		n := int64(little(b))
		if len(b) > 0 && b[len(b)-1] >= 0x80 {
			n -= 1 << (8 * len(b))
		}
		return w.push(value{kind: kindInt, off: n})
	}
	return w.push(value{kind: kindPlain})
}

// opQuoted reads a string of protocol 0.
func (w *walker) opQuoted(o operand) error {
	b := o.line
	if o.long {
		return w.push(value{kind: kindOpaque})
	}
	if len(b) < 2 || b[0] != b[len(b)-1] || b[0] != '\'' && b[0] != '"' {
		return errNumber
	}
	if bytes.IndexByte(b, '\\') >= 0 {
		return w.pushDecoded(b[1:len(b)-1], unquote)
	}
	return w.push(value{kind: kindString, off: o.off + 1, n: uint32(len(b) - 2)})
}

func (w *walker) opEscaped(o operand) error {
	if o.long {
		return w.push(value{kind: kindOpaque})
	}
	if bytes.IndexByte(o.line, '\\') >= 0 {
		return w.pushDecoded(o.line, unescape)
	}
	return w.push(value{kind: kindString, off: o.off, n: uint32(len(o.line))})
}

// maxDecoded is how many texts with escapes are kept, each as long as a name may be. Others are not known: used as a name,
// they are refused.
const maxDecoded = 64 << 10

func (w *walker) pushDecoded(b []byte, decode func([]byte) (string, bool)) error {
	if len(b) <= longestName && len(w.decoded) < maxDecoded {
		if text, ok := decode(b); ok {
			w.decoded = append(w.decoded, text)
			return w.push(value{kind: kindDecoded, n: uint32(len(w.decoded) - 1)})
		}
	}
	return w.push(value{kind: kindOpaque})
}

// unquote reads the escapes of a string of Python: \n, \x6f, \157.
func unquote(b []byte) (string, bool) {
	var out []byte
	for len(b) > 0 {
		if b[0] == '\\' && len(b) > 1 && b[1] == '"' { // strconv wants it unescaped inside other quotes
			out, b = append(out, '"'), b[2:]
			continue
		}
		r, wide, rest, err := strconv.UnquoteChar(string(b), '\'')
		if err != nil {
			return "", false
		}
		if wide {
			out = utf8.AppendRune(out, r)
		} else {
			out = append(out, byte(r))
		}
		b = b[len(b)-len(rest):]
	}
	return string(out), true
}

// unescape reads the escapes of a Unicode text of protocol 0: \u0041 and \U00000041. Any other backslash is itself.
func unescape(b []byte) (string, bool) {
	var out []byte
	for len(b) > 0 {
		width := 0
		if len(b) > 1 && b[0] == '\\' {
			width = map[byte]int{'u': 4, 'U': 8}[b[1]]
		}
		if width == 0 {
			out, b = utf8.AppendRune(out, rune(b[0])), b[1:]
			continue
		}
		if len(b) < 2+width {
			return "", false
		}
		n, err := strconv.ParseUint(string(b[2:2+width]), 16, 32)
		if err != nil || n > utf8.MaxRune {
			return "", false
		}
		out, b = utf8.AppendRune(out, rune(n)), b[2+width:]
	}
	return string(out), true
}

func (w *walker) opProto(o operand) error {
	if o.n > 5 {
		return errUnknownOpcode
	}
	w.proto = int(o.n)
	return nil
}

// opFrame only checks that the frame is there: where frames end changes nothing of what the opcodes do.
func (w *walker) opFrame(o operand) error {
	if o.n > uint64(w.cur.left()) {
		return errShort
	}
	w.frame = w.cur.pos + int64(o.n)
	return nil
}

func (w *walker) opBuffer(operand) error {
	w.report(Unclear, "", "takes a buffer from outside the file, which was not judged")
	return w.push(value{kind: kindOpaque})
}

func (w *walker) opReadonly(operand) error {
	_, err := w.top()
	return err
}

func (w *walker) pushTuple(vs []value) error {
	v := value{kind: kindTuple, n: noObject}
	if len(vs) <= maxItems && len(w.tuples) < maxKept {
		v.n = uint32(len(w.tuples))
		w.tuples = append(w.tuples, append([]value(nil), vs...))
	}
	return w.push(v)
}

// tuple returns the items of a tuple, if they are known.
func (w *walker) tuple(v value) ([]value, bool) {
	if v.kind != kindTuple || v.n == noObject {
		return nil, false
	}
	return w.tuples[v.n], true
}

func (w *walker) opTuple(operand) error {
	vs, err := w.popMark()
	if err != nil {
		return err
	}
	return w.pushTuple(vs)
}

func (w *walker) opTupleOf(n int) error {
	vs, err := w.pop(n)
	if err != nil {
		return err
	}
	return w.pushTuple(vs)
}

func (w *walker) opCollect(k kind) error {
	if _, err := w.popMark(); err != nil {
		return err
	}
	return w.push(value{kind: k})
}
