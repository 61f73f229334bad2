package scan

import (
	"bytes"
	"context"
	"testing"
)

// fuzzed scans whatever it is given: no panic, no endless loop, memory bounded by the limits, and the same answer twice.
func fuzzed(t *testing.T, b []byte) Report {
	t.Helper()
	opts := Options{Expanded: 8 << 20, Depth: 3}
	r, err := ScanReader(context.Background(), "f", bytes.NewReader(b), int64(len(b)), opts)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ScanReader(context.Background(), "f", bytes.NewReader(b), int64(len(b)), opts)
	if err != nil || again.Verdict != r.Verdict || len(again.Findings) != len(r.Findings) {
		t.Fatalf("%v: two scans differ: %+v %+v", err, r, again)
	}
	return r
}

// FuzzScan feeds the whole scanner: what begins a file chooses the decoder.
func FuzzScan(f *testing.F) {
	for _, h := range hostiles() {
		f.Add(h.bytes)
	}
	f.Fuzz(func(t *testing.T, b []byte) { fuzzed(t, b) })
}

// FuzzPickle feeds the walker, and holds that a pickle which names os.system at its start is never clean.
func FuzzPickle(f *testing.F) {
	for _, h := range hostilePickles() {
		f.Add(h.bytes)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r := fuzzed(t, cat(0x80, 4, stackGlobal("os", "system"), b)); r.Verdict != Fail {
			t.Fatalf("%s: %+v", r.Verdict, r.Findings)
		}
	})
}

// FuzzArchive feeds zip and tar.
func FuzzArchive(f *testing.F) {
	for _, h := range hostileZips() {
		f.Add(h.bytes)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzed(t, cat(zipLocal, b))
		fuzzed(t, cat(tarred("x", "y")[:512], b))
	})
}

// FuzzTables feeds the formats that are tables with a header: npy, safetensors, gguf, ubjson, HDF5.
func FuzzTables(f *testing.F) {
	f.Add([]byte(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}0000`), uint64(54))
	f.Add(cat(le(0, 8), le(1, 8), le(4, 8), "key0", le(9, 4), le(8, 4), le(2, 8)), uint64(3))
	f.Add([]byte("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }\n00000000"), uint64(64))
	f.Fuzz(func(t *testing.T, b []byte, n uint64) {
		fuzzed(t, cat(le(n, 8), b))
		fuzzed(t, cat("GGUF", le(3, 4), b))
		fuzzed(t, cat("\x93NUMPY\x01\x00", le(n, 2), b))
		fuzzed(t, cat("{L", le(n, 8), b))
		fuzzed(t, cat(hdf5Magic, b))
	})
}

// FuzzConfig feeds JSON of Keras and skops, and the MLmodel of MLflow.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"module": "keras.layers", "class_name": "Lambda", "config": {}}`))
	f.Add([]byte("flavors:\n  python_function:\n    loader_module: os\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzed(t, b)
		if _, err := ScanReader(context.Background(), "MLmodel", bytes.NewReader(b), int64(len(b)), Options{}); err != nil {
			t.Fatal(err)
		}
	})
}
