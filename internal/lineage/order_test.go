package lineage

import (
	"testing"

	"mlx/internal/object"
)

// FuzzParseOrder holds that an entry of the log has one encoding: whatever parses is written as it was read.
func FuzzParseOrder(f *testing.F) {
	good, err := object.Encode(order{Packs: []sealed{{Bytes: 809, Pack: object.Sum([]byte("pack")), Raw: 962, Records: 3}}, Seq: 2, V: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"packs":null,"prev":"","seq":1,"v":1}`))
	f.Add([]byte(`{"packs":[],"prev":"","seq":1,"v":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := parseOrder(b)
		if err != nil {
			return
		}
		again, err := object.Encode(o)
		if err != nil || string(again) != string(b) {
			t.Fatalf("%q was read and is written as %q, %v", b, again, err)
		}
	})
}
