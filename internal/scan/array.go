package scan

import (
	"errors"
	"math/bits"
	"strconv"
	"strings"
)

// arrayPart says what an object that is followed stands for.
type arrayPart uint8

const (
	partDict arrayPart = iota
	partDtype
	partWrapper
)

var (
	errArray      = errors.New("it has an array whose size cannot be told")
	errArrayFrame = errors.New("it has an array inside a frame, where readers disagree")
)

// newDtype is numpy.dtype(text, …): what an item takes and whether it holds Python objects.
func (w *walker) newDtype(args []value, known bool) value {
	v := w.newObject(kindArray, partDtype)
	text, ok := w.argument(args, 0, 64)
	if !known || !ok || v.n == noObject {
		return v
	}
	o := &w.objects[v.n]
	o.size, o.boxed = itemSize(text)
	return v
}

// itemSize reads a dtype's short name: f8, <i4, U10, O8, M8[ns]. 0 is unknown.
func itemSize(text string) (size int64, boxed bool) {
	text = strings.TrimLeft(text, "<>|=")
	if i := strings.IndexByte(text, '['); i >= 0 {
		text = text[:i]
	}
	if text == "" {
		return 0, true
	}
	if text == "?" {
		return 1, false
	}
	n, err := strconv.ParseInt(text[1:], 10, 32)
	if err != nil || n < 0 {
		n = 0
	}
	switch text[0] {
	case 'O':
		return n, true
	case 'U':
		return 4 * n, false
	case 'f', 'i', 'u', 'b', 'c', 'S', 'V', 'M', 'm', 'a':
		return n, false
	}
	return 0, true
}

// buildArray gives a dtype or a wrapper its state. After a wrapper joblib reads the array itself, from the same file.
func (w *walker) buildArray(target, state value) error {
	if target.n == noObject {
		return errTooMany
	}
	if w.objects[target.n].what == partDtype {
		return w.buildDtype(target, state)
	}
	w.arrays++
	if w.plain {
		return nil
	}
	return w.passArray(state)
}

// buildDtype reads the state that numpy gives a dtype: (version, order, subdtype, names, fields, size, alignment, flags).
func (w *walker) buildDtype(target, state value) error {
	items, ok := w.tuple(state)
	if !ok || len(items) < 8 {
		w.objects[target.n].size, w.objects[target.n].boxed = 0, true
		return nil
	}
	o := &w.objects[target.n]
	if items[5].kind == kindInt && items[5].off >= 0 {
		o.size = items[5].off
	}
	if items[7].kind != kindInt || items[7].off&1 != 0 {
		o.boxed = true
	}
	return nil
}

// wrapperState is what joblib keeps of an array that it writes between the opcodes.
type wrapperState struct {
	shape, dtype, align value
}

func (w *walker) wrapperState(state value) (wrapperState, bool) {
	var s wrapperState
	items, ok := w.dict(state)
	if !ok {
		return s, false
	}
	for i := 0; i+1 < len(items); i += 2 {
		key, known := w.text(items[i], 64)
		if !known {
			return s, false
		}
		switch key {
		case "shape":
			s.shape = items[i+1]
		case "dtype":
			s.dtype = items[i+1]
		case "numpy_array_alignment_bytes":
			s.align = items[i+1]
		case "subclass", "order", "allow_mmap":
		default:
			return s, false
		}
	}
	return s, s.dtype.kind == kindArray && s.dtype.n != noObject
}

// passArray passes over the raw bytes of an array, or follows the pickle of an array of objects.
func (w *walker) passArray(state value) error {
	s, ok := w.wrapperState(state)
	if !ok {
		return errArray
	}
	if w.frame > w.cur.pos {
		return errArrayFrame
	}
	dtype := w.objects[s.dtype.n]
	if dtype.what != partDtype {
		return errArray
	}
	if dtype.boxed {
		return w.passBoxed()
	}
	n, ok := w.arraySize(s, dtype.size)
	if !ok {
		return errArray
	}
	if s.align.kind == kindInt || s.align.kind == kindPlain {
		pad, err := w.cur.byte()
		if err == nil {
			err = w.cur.skip(int64(pad))
		}
		if err != nil {
			return err
		}
	}
	return w.cur.skip(n)
}

// arraySize multiplies shape and item; what overflows is no size.
func (w *walker) arraySize(s wrapperState, item int64) (int64, bool) {
	dims, ok := w.tuple(s.shape)
	if !ok || item <= 0 {
		return 0, false
	}
	n := uint64(item)
	for _, d := range dims {
		if d.kind != kindInt || d.off < 0 {
			return 0, false
		}
		hi, lo := bits.Mul64(n, uint64(d.off))
		if hi != 0 {
			return 0, false
		}
		n = lo
	}
	return int64(n), n <= uint64(w.cur.left())
}

// passBoxed follows the pickle that joblib puts where an array of objects belongs.
func (w *walker) passBoxed() error {
	if w.p.depth >= w.s.opts.Depth {
		return errTooMany
	}
	inner := w.s.newWalker(w.p, w.cur)
	inner.p.depth++
	err := inner.walk()
	w.found = append(w.found, inner.found...)
	w.acts += inner.acts
	w.inner = append(w.inner, inner.inner...)
	w.arrays += inner.arrays
	if inner.arrays > 0 && err == nil {
		err = errArray // the loader of such an array is plain pickle, which reads no raw arrays
	}
	return err
}
