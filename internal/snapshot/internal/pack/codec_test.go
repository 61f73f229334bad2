package pack

import (
	"strconv"
	"testing"
)

// A column of numbers has hardly a match in it and still takes half: its digits are few.
func TestDigitsShrink(t *testing.T) {
	e, err := NewEncoder()
	if err != nil {
		t.Fatal(err)
	}
	var raw []byte
	for i := range 9000 {
		raw = append(strconv.AppendInt(raw, int64(i), 10), '\n')
	}
	out, ok := e.Compress(nil, raw)
	if !e.Compressible(raw) || !ok || len(out) > len(raw)/2 {
		t.Errorf("%d bytes of digits take %d", len(raw), len(out))
	}
}
