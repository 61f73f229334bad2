package scan

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"strings"
)

// The pieces that the hostile files of the tests are made of, byte by byte: no library that writes pickles would write them.

func cat(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			b = append(b, p...)
		case []byte:
			b = append(b, p...)
		case byte:
			b = append(b, p)
		case int:
			b = append(b, byte(p))
		}
	}
	return b
}

func le(n uint64, width int) []byte {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	return b[:width]
}

// uni is SHORT_BINUNICODE, or BINUNICODE for longer texts.
func uni(s string) []byte {
	if len(s) < 256 {
		return cat(0x8c, len(s), s)
	}
	return cat("X", le(uint64(len(s)), 4), s)
}

// raw is SHORT_BINBYTES or BINBYTES.
func raw(b []byte) []byte {
	if len(b) < 256 {
		return cat("C", len(b), b)
	}
	return cat("B", le(uint64(len(b)), 4), b)
}

func opGlobalOf(module, name string) []byte { return cat("c", module, "\n", name, "\n") }

func stackGlobal(module, name string) []byte { return cat(uni(module), uni(name), 0x93) }

// args is a tuple of texts.
func args(texts ...string) []byte {
	b := cat("(")
	for _, t := range texts {
		b = append(b, uni(t)...)
	}
	return append(b, 't')
}

// calls is a whole pickle of protocol 4 that calls module.name(texts…).
func calls(module, name string, texts ...string) []byte {
	return cat(0x80, 4, stackGlobal(module, name), args(texts...), "R.")
}

// framed puts the opcodes of a pickle of protocol 4 into one frame.
func framed(p []byte) []byte { return cat(p[:2], 0x95, le(uint64(len(p)-2), 8), p[2:]) }

// zipped is an ordinary zip of names and contents, stored.
func zipped(members ...any) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(members); i += 2 {
		content := cat(members[i+1])
		h := &zip.FileHeader{Name: members[i].(string), Method: zip.Store, CRC32: crc32.ChecksumIEEE(content),
			CompressedSize64: uint64(len(content)), UncompressedSize64: uint64(len(content))}
		f, err := w.CreateRaw(h)
		if err != nil {
			panic(err)
		}
		_, _ = f.Write(content)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// torchZip is what torch.save writes, with a pickle.
func torchZip(pickle []byte) []byte {
	return zipped("archive/data.pkl", pickle, "archive/byteorder", "little", "archive/data/0", string(make([]byte, 16)), "archive/version", "3\n")
}

// poke changes bytes of a copy at every place where find stands.
func poke(b []byte, find string, at int, to byte) []byte {
	c := bytes.Clone(b)
	for i := 0; ; i++ {
		j := bytes.Index(c[i:], []byte(find))
		if j < 0 {
			return c
		}
		i += j
		c[i+at] = to
	}
}

// npyOf is a .npy file with a header and data.
func npyOf(descr, shape string, data []byte) []byte {
	h := "{'descr': " + descr + ", 'fortran_order': False, 'shape': " + shape + ", }"
	h += strings.Repeat(" ", 118-len(h)-1) + "\n"
	return cat("\x93NUMPY\x01\x00", le(uint64(len(h)), 2), h, data)
}

// wrapperOf is the opcodes of joblib's wrapper of a float64 array of n items, without the bytes.
func wrapperOf(n int, dtype string) []byte {
	return cat(stackGlobal("joblib.numpy_pickle", "NumpyArrayWrapper"), ")", 0x81, "}(",
		uni("subclass"), stackGlobal("numpy", "ndarray"),
		uni("shape"), "K", n, 0x85,
		uni("order"), uni("C"),
		uni("dtype"), stackGlobal("numpy", "dtype"), uni(dtype), 0x89, 0x88, 0x87, "R(K", 3, uni("<"), "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK", 0, "tb",
		uni("allow_mmap"), 0x88, uni("numpy_array_alignment_bytes"), "K", 16, "ub")
}

// field is a field of a protocol buffer with bytes.
func pbField(number int, content []byte) []byte {
	return cat(binary.AppendUvarint(nil, uint64(number)<<3|2), binary.AppendUvarint(nil, uint64(len(content))), content)
}
