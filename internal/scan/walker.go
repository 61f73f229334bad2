package scan

import (
	"errors"
	"fmt"
	"strings"
)

// kind is what is known of a value on the stack.
type kind uint8

const (
	kindOpaque     kind = iota // something whose content is not known
	kindPlain                  // a number or a truth value
	kindInt                    // a number that is known: off
	kindNone                   //
	kindString                 // text at off, n bytes
	kindBytes                  // bytes at off, n bytes
	kindDecoded                // text that was written with escapes: walker.decoded[n]
	kindTuple                  // n is its index in walker.tuples
	kindList                   //
	kindSet                    //
	kindDict                   // n is its index in walker.objects, or noObject
	kindGlobal                 // n is its index in walker.globals
	kindInstance               // of the class walker.globals[n]
	kindArray                  // a dtype or an array wrapper: n is its index in walker.objects
	kindMagic                  // the number that opens a legacy file of torch
	kindPersistent             // what the loader's persistent_load returns
)

// value is one thing on the stack. Texts stay in the file: a value knows only where.
type value struct {
	kind kind
	n    uint32
	off  int64
}

const noObject = ^uint32(0)

// Limits of what a pickle may make a walker remember. Past them nothing is told of the file.
const (
	maxStack   = 4 << 20
	maxMemo    = 8 << 20
	maxKept    = 1 << 20 // tuples, dicts and arrays whose content is known
	maxGlobals = 64 << 10
	maxItems   = 16 // of a dict or tuple whose content is known
)

var errTooMany = errors.New("it holds too many objects to be followed")

// walker follows one pickle with stack, marks and memo, as a loader would, and imports nothing.
type walker struct {
	s     *inspection
	p     place
	cur   *cursor
	stack []value
	marks []int
	memo  memo

	globals []global
	named   map[string]uint32
	tuples  [][]value
	decoded []string
	objects []object

	op    *opcode
	at    int64 // offset of op
	ops   int64
	proto int
	plain bool // as pickle.load reads it: no raw arrays between the opcodes

	found   []Finding
	told    map[findingKey]bool // names are bounded, and so are these
	frame   int64               // where the current frame ends
	torch   torchState
	inner   []value // bytes that another loader would read
	arrays  int     // raw arrays passed over
	acts    int     // globals, extensions and persistent ids
	stopped bool
	keys    bool    // keep the texts: they name the storages of torch
	texts   []value //
}

// object is a dict, dtype or wrapper of an array, followed because its content says how many raw bytes come next.
type object struct {
	what  arrayPart
	items []value // key, value, key, value of a small dict
	lost  bool    // it has more items than are kept
	size  int64   // bytes an item of the dtype takes; 0 is unknown
	boxed bool    // the dtype holds Python objects
}

func (s *inspection) newWalker(p place, c *cursor) *walker {
	return &walker{s: s, p: p, cur: c, named: make(map[string]uint32), told: make(map[findingKey]bool)}
}

// walk follows the pickle to its STOP and returns why it could not, if it could not.
func (w *walker) walk() error {
	for {
		w.at = w.cur.pos
		code, err := w.cur.byte()
		if err != nil {
			return err
		}
		w.op = &w.s.opcodes[code]
		if w.op.act == nil {
			return fmt.Errorf("%w 0x%02x", errUnknownOpcode, code)
		}
		if w.ops++; w.ops&0xfffff == 0 && w.s.ctx.Err() != nil {
			return w.s.ctx.Err()
		}
		o, err := w.operand(w.op.arg)
		if err == nil {
			err = w.op.act(w, o)
		}
		if errors.Is(err, errStop) {
			w.stopped = true
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// push puts a value on the stack.
func (w *walker) push(v value) error {
	if len(w.stack) >= maxStack {
		return errTooMany
	}
	w.stack = append(w.stack, v)
	if w.keys && v.kind == kindString && len(w.texts) < maxStorages {
		w.texts = append(w.texts, v)
	}
	return nil
}

// fence is how much of the stack an opcode may not touch: what lies under the last mark.
func (w *walker) fence() int {
	if len(w.marks) == 0 {
		return 0
	}
	return w.marks[len(w.marks)-1]
}

// pop takes the top n values off; they hold until the next push.
func (w *walker) pop(n int) ([]value, error) {
	from := len(w.stack) - n
	if from < w.fence() {
		return nil, errUnderflow
	}
	vs := w.stack[from:]
	w.stack = w.stack[:from]
	return vs, nil
}

func (w *walker) top() (*value, error) {
	if len(w.stack) <= w.fence() {
		return nil, errUnderflow
	}
	return &w.stack[len(w.stack)-1], nil
}

// popMark takes everything above the last mark, and the mark.
func (w *walker) popMark() ([]value, error) {
	if len(w.marks) == 0 {
		return nil, errNoMark
	}
	from := w.fence()
	vs := w.stack[from:]
	w.stack, w.marks = w.stack[:from], w.marks[:len(w.marks)-1]
	return vs, nil
}

// text reads a string or bytes value, if it is at most most bytes long.
func (w *walker) text(v value, most uint32) (string, bool) {
	if v.kind == kindDecoded {
		return w.decoded[v.n], true
	}
	if v.kind != kindString && v.kind != kindBytes || v.n > most {
		return "", false
	}
	b := w.cur.b.at(v.off, int(v.n))
	return string(b), len(b) == int(v.n)
}

// report keeps a finding about the current opcode.
func (w *walker) report(sev Severity, name, what string) {
	key := findingKey{severity: sev, name: name, what: what}
	if w.told[key] {
		return
	}
	w.told[key] = true
	w.found = append(w.found, Finding{Severity: sev, File: w.p.file, Inside: w.p.inside, Offset: w.at, Opcode: w.op.name,
		Name: name, What: what, Source: sourceOf(name)})
}

func (w *walker) blocked(name, format string, args ...any) {
	w.report(Block, name, fmt.Sprintf(format, args...))
}

// argumentsText shows the literal texts of a call, for a person: ('id',).
func (w *walker) argumentsText(args []value) string {
	var shown []string
	for _, a := range args[:min(len(args), 3)] {
		switch t, ok := w.text(a, 200); {
		case ok:
			shown = append(shown, fmt.Sprintf("%.60q", t))
		case a.kind == kindGlobal:
			shown = append(shown, w.globals[a.n].String())
		default:
			shown = append(shown, "…")
		}
	}
	if len(args) > 3 {
		shown = append(shown, "…")
	}
	return "(" + strings.Join(shown, ", ") + ")"
}
