package npy

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// file makes an array as numpy.save does.
func file(version byte, descr, order, shape string, data []byte) []byte {
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': %s, 'shape': %s, }", descr, order, shape)
	header += strings.Repeat(" ", 63-(len(header)+10)%64) + "\n"
	b := append([]byte(Magic), version, 0)
	if version == 1 {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(header)))
	} else {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(header)))
	}
	return append(append(b, header...), data...)
}

func TestTypes(t *testing.T) {
	for _, c := range []struct {
		descr string
		data  []byte
		want  []float64
	}{
		{"<f8", binary.LittleEndian.AppendUint64(nil, math.Float64bits(-1.5)), []float64{-1.5}},
		{">f8", binary.BigEndian.AppendUint64(nil, math.Float64bits(2.25)), []float64{2.25}},
		{"<f4", binary.LittleEndian.AppendUint32(nil, math.Float32bits(0.5)), []float64{0.5}},
		{"<f2", []byte{0x00, 0x3c, 0x00, 0xc0, 0xff, 0x7b, 0x01, 0x00, 0x00, 0x7c}, []float64{1, -2, 65504, math.Ldexp(1, -24), math.Inf(1)}},
		{"|i1", []byte{0xff, 0x7f}, []float64{-1, 127}},
		{"|u1", []byte{0xff}, []float64{255}},
		{"|b1", []byte{1, 0}, []float64{1, 0}},
		{"<i2", []byte{0xfe, 0xff}, []float64{-2}},
		{">u2", []byte{0x01, 0x00}, []float64{256}},
		{"<i4", []byte{0xfe, 0xff, 0xff, 0xff}, []float64{-2}},
		{"<u4", []byte{0xff, 0xff, 0xff, 0xff}, []float64{math.MaxUint32}},
		{"<i8", []byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, []float64{-2}},
		{"<u8", []byte{2, 0, 0, 0, 0, 0, 0, 0}, []float64{2}},
	} {
		for version := byte(1); version <= 3; version++ {
			a, err := Parse(file(version, c.descr, "False", fmt.Sprintf("(%d,)", len(c.want)), c.data))
			if err != nil {
				t.Errorf("%s: %v", c.descr, err)
				continue
			}
			if got := slices.Collect(a.All()); !slices.Equal(got, c.want) {
				t.Errorf("%s: read %v, want %v", c.descr, got, c.want)
			}
		}
	}
}

func TestShapes(t *testing.T) {
	a, err := Parse(file(1, "|u1", "True", "(2, 3)", []byte{1, 2, 3, 4, 5, 6}))
	if err != nil || !a.Fortran || !slices.Equal(a.Shape, []int64{2, 3}) {
		t.Errorf("read %+v, %v", a, err)
	}
	if a, err = Parse(file(1, "|u1", "False", "()", []byte{9})); err != nil || a.Len() != 1 || a.At(0) != 9 {
		t.Errorf("a scalar: %+v, %v", a, err)
	}
	for name, bad := range map[string][]byte{
		"short":    file(1, "<f8", "False", "(2,)", make([]byte, 8)),
		"long":     file(1, "<f8", "False", "(0,)", make([]byte, 8)),
		"huge":     file(1, "<f8", "False", "(9223372036854775807, 9223372036854775807)", nil),
		"wraps":    file(1, "|u1", "False", "(4294967296, 4294967296)", nil),
		"negative": file(1, "<f8", "False", "(-1,)", nil),
		"objects":  file(1, "|O", "False", "(1,)", make([]byte, 8)),
		"text":     file(1, "<U4", "False", "(1,)", make([]byte, 16)),
		"order":    file(1, "<f8", "Maybe", "(1,)", make([]byte, 8)),
		"version":  file(9, "<f8", "False", "(1,)", make([]byte, 8)),
		"empty":    nil,
		"header":   []byte(Magic + "\x02\x00\xff\xff\xff\xff"),
	} {
		if _, err := Parse(bad); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(file(1, "<f8", "False", "(1,)", make([]byte, 8)))
	f.Add(file(2, ">i2", "True", "(2, 2)", make([]byte, 8)))
	f.Add([]byte(Magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Parse(b)
		if err != nil {
			return
		}
		n := 0
		for range a.All() {
			n++
		}
		if n != a.Len() || n*a.Size > len(b) {
			t.Fatalf("%d elements of %d in %d bytes", n, a.Len(), len(b))
		}
	})
}
