package scan

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// mutants is how many mutants of each file the suite tries; SCAN_MUTANTS=1000 tries what the measure asks for.
func mutants(t testing.TB) int {
	if n, err := strconv.Atoi(os.Getenv("SCAN_MUTANTS")); err == nil {
		return n
	}
	if testing.Short() {
		return 5
	}
	return 25
}

// instruction is one opcode of a pickle with what follows it.
type instruction struct {
	code  byte
	bytes []byte
	depth int // values that the opcode may touch before it runs
	marks int
}

// disassemble cuts a pickle into instructions with the walker that is tested elsewhere; what follows the last one is rest.
func disassemble(b []byte) (list []instruction, rest []byte) {
	s, err := newInspection(nil, Options{}) //nolint:staticcheck // nothing here can be cancelled
	if err != nil {
		panic(err)
	}
	w := s.newWalker(place{file: "m"}, newCursor(bytesBlob(b), 0))
	for {
		at := w.cur.pos
		code, err := w.cur.byte()
		if err != nil || s.opcodes[code].act == nil {
			return list, b[at:]
		}
		w.at, w.op = at, &s.opcodes[code]
		in := instruction{code: code, depth: len(w.stack) - w.fence(), marks: len(w.marks)}
		o, err := w.operand(w.op.arg)
		if err != nil {
			return list, b[at:]
		}
		in.bytes = b[at:w.cur.pos]
		err = w.op.act(w, o)
		list = append(list, in)
		if err != nil {
			return list, b[w.cur.pos:]
		}
	}
}

// harmless is opcodes that leave stack and memo as they were.
func harmless(rng *rand.Rand, in instruction) []byte {
	noise := [][]byte{cat("N0"), cat("K", 7, "0"), cat("]0"), cat(")0"), cat("}0"), cat("(1"), cat("(NN1"), cat(uni("os"), "0"), cat(uni("numpy"), uni("ndarray"), "00"),
		cat("S'x'\n0"), cat("J", le(9, 4), "0"), cat(0x88, "0"), cat(raw([]byte("abc")), "0"), cat(0x80, 4), cat("((10"), cat("I5\n0"), cat("F1.5\n0"), cat("L5L\n0")}
	if in.depth > 0 {
		noise = append(noise, []byte("20"))
	}
	return noise[rng.IntN(len(noise))]
}

// respelled writes an instruction in another way that means the same.
func respelled(rng *rand.Rand, in instruction) []byte {
	switch b := in.bytes; {
	case in.code == 0x8c && rng.IntN(2) == 0:
		return cat("X", le(uint64(b[1]), 4), b[2:])
	case in.code == 0x8c:
		return cat(0x8d, le(uint64(b[1]), 8), b[2:])
	case in.code == 'C':
		return cat("B", le(uint64(b[1]), 4), b[2:])
	case in.code == 'c' && rng.IntN(2) == 0:
		parts := bytes.Split(b[1:], []byte("\n"))
		return cat("X", le(uint64(len(parts[0])), 4), parts[0], "X", le(uint64(len(parts[1])), 4), parts[1], 0x93)
	case in.code == 'q':
		return cat("r", le(uint64(b[1]), 4))
	case in.code == 'h':
		return cat("g", strconv.Itoa(int(b[1])), "\n")
	case in.code == 'K':
		return cat("J", le(uint64(b[1]), 4))
	case in.code == ')':
		return []byte("(t")
	default:
		return b
	}
}

// mutate changes how a pickle is written and nothing of what it does.
func mutate(rng *rand.Rand, list []instruction, rest []byte) []byte {
	memoized := false
	for _, in := range list {
		memoized = memoized || in.code == 0x94
	}
	var body []byte
	for i, in := range list {
		if in.code == 0x95 {
			continue // frames are laid anew below
		}
		if i > 0 && rng.IntN(3) == 0 {
			body = append(body, harmless(rng, in)...)
		}
		if !memoized && in.depth > 0 && i > 0 && rng.IntN(6) == 0 {
			body = append(body, cat("r", le(uint64(1000+rng.IntN(5000)), 4))...)
		}
		if rng.IntN(3) == 0 {
			body = append(body, respelled(rng, in)...)
		} else {
			body = append(body, in.bytes...)
		}
	}
	if rng.IntN(3) == 0 && len(rest) == 0 {
		body = cat(0x80, 4, 0x95, le(uint64(len(body)), 8), body)
	}
	if rng.IntN(4) == 0 {
		rest = cat(rest, []string{"N.", "junk", "\x80\x04N.", "\x00\x00"}[rng.IntN(4)])
	}
	return append(body, rest...)
}

// wrapped puts a file into another.
func wrapped(rng *rand.Rand, b []byte) []byte {
	switch rng.IntN(8) {
	case 0:
		return compressed([]string{"gzip", "zlib", "xz", "lzma", "lz4", "zstd"}[rng.IntN(6)], b)
	case 1:
		return zipped(fmt.Sprintf("f%d.bin", rng.IntN(9)), b)
	case 2:
		return torchZip(b)
	case 3:
		return tarred("x", b)
	default:
		return b
	}
}

// TestMutants writes every hostile pickle in other ways that mean the same: the verdict must stay.
func TestMutants(t *testing.T) {
	n := mutants(t)
	files := 0
	for _, h := range hostiles() {
		list, rest := disassemble(h.bytes)
		whole := len(rest)
		for _, in := range list {
			whole += len(in.bytes)
		}
		if whole != len(h.bytes) {
			continue // raw bytes of arrays lie between its opcodes
		}
		if len(list) < 4 || h.judged != Fail || list[len(list)-1].code != '.' && !bytes.Contains([]byte(h.name), []byte("after-payload")) {
			continue
		}
		files++
		rng := rand.New(rand.NewPCG(7, uint64(files)))
		for i := range n {
			b := wrapped(rng, mutate(rng, list, rest))
			if r := scanBytes(t, "m"+strconv.Itoa(i), b); r.Verdict != Fail || h.names != "" && !named(r, h.names) {
				t.Fatalf("%s, mutant %d: %s %+v\n%q", h.name, i, r.Verdict, r.Findings, b)
			}
		}
	}
	if files < 80 {
		t.Errorf("only %d files are pickles that can be mutated", files)
	}
}

// TestCutAnywhere cuts every hostile file after each of its bytes: what is left is never clean while it holds a name that is
// not allowed.
func TestCutAnywhere(t *testing.T) {
	for _, h := range hostiles()[:8] {
		for n := range h.bytes {
			r := scanBytes(t, "cut", h.bytes[:n])
			if r.Verdict == Pass && n > 0 {
				t.Errorf("%s cut at %d: %+v", h.name, n, r)
			}
		}
	}
}
