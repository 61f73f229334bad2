package scan

import (
	"encoding/binary"
	"errors"
	"math"
)

// argument says what follows an opcode.
type argument uint8

const (
	argNone     argument = iota
	arg1                 // so many bytes
	arg2                 //
	arg4                 //
	arg8                 //
	argLine              // up to a newline
	argTwoLines          //
	argCount1            // a length of so many bytes, then the text
	argCount4            //
	argCount8            //
	argSigned4           // a length that may be negative, which no reader takes
)

// opcode is one instruction of a pickle.
type opcode struct {
	name string
	arg  argument
	act  func(*walker, operand) error
}

// operand is what followed an opcode. For a counted text only its place and length are kept; line holds texts of a line.
type operand struct {
	n          uint64
	line, next []byte
	off        int64 // where the text begins
	long       bool  // the line is too long to be kept
}

var (
	errUnknownOpcode = errors.New("an unknown opcode")
	errUnderflow     = errors.New("an opcode finds too little on the stack")
	errNumber        = errors.New("a number that is none")
	errNoMark        = errors.New("an opcode finds no mark")
	errMemo          = errors.New("an opcode asks for what was never remembered")
	errStop          = errors.New("stop")
)

// opcodeTable lists the opcodes of protocols 0 to 5. They all count at any protocol, as they do for Python.
func opcodeTable() *[256]opcode {
	t := new([256]opcode)
	set := func(code byte, name string, arg argument, act func(*walker, operand) error) {
		t[code] = opcode{name, arg, act}
	}
	pushes := func(k kind) func(*walker, operand) error {
		return func(w *walker, _ operand) error { return w.push(value{kind: k}) }
	}
	text := func(k kind) func(*walker, operand) error {
		return func(w *walker, o operand) error { return w.push(textValue(k, o)) }
	}
	stackOpcodes(set)
	for _, row := range []struct {
		code byte
		name string
		arg  argument
	}{{'F', "FLOAT", argLine}, {'L', "LONG", argLine}, {'G', "BINFLOAT", arg8}, {0x8b, "LONG4", argSigned4}} {
		set(row.code, row.name, row.arg, pushes(kindPlain))
	}
	set('N', "NONE", argNone, pushes(kindNone))
	set(0x88, "NEWTRUE", argNone, pushes(kindPlain))
	set(0x89, "NEWFALSE", argNone, pushes(kindPlain))
	set('I', "INT", argLine, (*walker).opInt)
	set('K', "BININT1", arg1, (*walker).opSmallInt)
	set('M', "BININT2", arg2, (*walker).opSmallInt)
	set('J', "BININT", arg4, (*walker).opSmallInt)
	set(0x8a, "LONG1", argCount1, (*walker).opLong)
	set('S', "STRING", argLine, (*walker).opQuoted)
	set('V', "UNICODE", argLine, (*walker).opEscaped)
	set('T', "BINSTRING", argSigned4, text(kindString))
	set('U', "SHORT_BINSTRING", argCount1, text(kindString))
	set('X', "BINUNICODE", argCount4, text(kindString))
	set(0x8c, "SHORT_BINUNICODE", argCount1, text(kindString))
	set(0x8d, "BINUNICODE8", argCount8, text(kindString))
	set('B', "BINBYTES", argCount4, text(kindBytes))
	set('C', "SHORT_BINBYTES", argCount1, text(kindBytes))
	set(0x8e, "BINBYTES8", argCount8, text(kindBytes))
	set(0x96, "BYTEARRAY8", argCount8, text(kindBytes))
	set(0x80, "PROTO", arg1, (*walker).opProto)
	set(0x95, "FRAME", arg8, (*walker).opFrame)
	set(0x97, "NEXT_BUFFER", argNone, (*walker).opBuffer)
	set(0x98, "READONLY_BUFFER", argNone, (*walker).opReadonly)
	actOpcodes(set)
	return t
}

// stackOpcodes are those that only move and combine what is on the stack.
func stackOpcodes(set func(byte, string, argument, func(*walker, operand) error)) {
	set('(', "MARK", argNone, (*walker).opMark)
	set('0', "POP", argNone, (*walker).opPop)
	set('1', "POP_MARK", argNone, (*walker).opPopMark)
	set('2', "DUP", argNone, (*walker).opDup)
	set('.', "STOP", argNone, (*walker).opStop)
	set('g', "GET", argLine, (*walker).opGetLine)
	set('h', "BINGET", arg1, (*walker).opGet)
	set('j', "LONG_BINGET", arg4, (*walker).opGet)
	set('p', "PUT", argLine, (*walker).opPutLine)
	set('q', "BINPUT", arg1, (*walker).opPut)
	set('r', "LONG_BINPUT", arg4, (*walker).opPut)
	set(0x94, "MEMOIZE", argNone, (*walker).opMemoize)
	set('t', "TUPLE", argNone, (*walker).opTuple)
	set(')', "EMPTY_TUPLE", argNone, func(w *walker, _ operand) error { return w.pushTuple(nil) })
	for i := range 3 {
		set(0x85+byte(i), []string{"TUPLE1", "TUPLE2", "TUPLE3"}[i], argNone, func(w *walker, _ operand) error { return w.opTupleOf(i + 1) })
	}
	set(']', "EMPTY_LIST", argNone, func(w *walker, _ operand) error { return w.push(value{kind: kindList}) })
	set('}', "EMPTY_DICT", argNone, func(w *walker, _ operand) error { return w.push(w.newDict()) })
	set(0x8f, "EMPTY_SET", argNone, func(w *walker, _ operand) error { return w.push(value{kind: kindSet}) })
	set('l', "LIST", argNone, func(w *walker, _ operand) error { return w.opCollect(kindList) })
	set(0x91, "FROZENSET", argNone, func(w *walker, _ operand) error { return w.opCollect(kindSet) })
	set('d', "DICT", argNone, (*walker).opDict)
	set('a', "APPEND", argNone, (*walker).opAppend)
	set('e', "APPENDS", argNone, (*walker).opAppends)
	set(0x90, "ADDITEMS", argNone, (*walker).opAppends)
	set('s', "SETITEM", argNone, (*walker).opSetItem)
	set('u', "SETITEMS", argNone, (*walker).opSetItems)
}

// actOpcodes are those that import, call, or ask the loader for something.
func actOpcodes(set func(byte, string, argument, func(*walker, operand) error)) {
	set('c', "GLOBAL", argTwoLines, (*walker).opGlobal)
	set(0x93, "STACK_GLOBAL", argNone, (*walker).opStackGlobal)
	set('i', "INST", argTwoLines, (*walker).opInst)
	set('o', "OBJ", argNone, (*walker).opObj)
	set(0x81, "NEWOBJ", argNone, onTuple((*walker).create))
	set(0x92, "NEWOBJ_EX", argNone, (*walker).opNewObjEx)
	set('R', "REDUCE", argNone, onTuple((*walker).call))
	set('b', "BUILD", argNone, (*walker).opBuild)
	set('P', "PERSID", argLine, (*walker).opPersistentLine)
	set('Q', "BINPERSID", argNone, (*walker).opPersistent)
	set(0x82, "EXT1", arg1, (*walker).opExtension)
	set(0x83, "EXT2", arg2, (*walker).opExtension)
	set(0x84, "EXT4", arg4, (*walker).opExtension)
}

func textValue(k kind, o operand) value {
	if o.n >= math.MaxUint32 {
		return value{kind: kindOpaque}
	}
	return value{kind: k, off: o.off, n: uint32(o.n)}
}

// operand reads what follows an opcode. A counted text is passed over, not read.
func (w *walker) operand(arg argument) (operand, error) {
	var o operand
	var err error
	c := w.cur
	switch arg {
	case argNone:
	case arg1, arg2, arg4, arg8:
		var p []byte
		p, err = c.take(1 << (arg - arg1))
		o.n = little(p)
	case argLine:
		o.off = c.pos
		o.line, o.long, err = c.line()
	case argTwoLines:
		return w.twoLines()
	case argCount1, argCount4, argCount8, argSigned4:
		width := map[argument]int{argCount1: 1, argCount4: 4, argCount8: 8, argSigned4: 4}[arg]
		var p []byte
		if p, err = c.take(width); err != nil {
			return o, err
		}
		o.n, o.off = little(p), c.pos
		if arg == argSigned4 && o.n > math.MaxInt32 || o.n > uint64(c.left()) {
			return o, errShort
		}
		err = c.skip(int64(o.n))
	}
	return o, err
}

// twoLines reads a module and a name. No module has a name as long as the window.
func (w *walker) twoLines() (operand, error) {
	first, long, err := w.cur.line()
	if err != nil || long {
		return operand{}, errors.Join(errShort, err)
	}
	o := operand{line: append([]byte(nil), first...)} // the second line may move the window
	if o.next, long, err = w.cur.line(); err != nil || long {
		return operand{}, errors.Join(errShort, err)
	}
	return o, nil
}

func little(p []byte) uint64 {
	var b [8]byte
	copy(b[:], p)
	return binary.LittleEndian.Uint64(b[:])
}
