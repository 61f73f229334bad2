package scan

import (
	"bytes"
	"unicode/utf8"
)

// probe is what a format makes of a file: it judges the file and says whether the file is of the format.
type probe func(*inspection, place, blob) (bool, error)

// judge tries every format whose loader would take the bytes. The name of a file decides nothing: loaders look at bytes,
// and so do people who rename files. What no format accounts for cannot be told.
func (s *inspection) judge(p place, b blob) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if p.depth > s.opts.Depth {
		s.unclear(p, 0, "lies too deep in archives to be looked into")
		return nil
	}
	if b.size == 0 {
		s.format("empty")
		return nil
	}
	known := false
	for _, try := range []probe{(*inspection).pickles, (*inspection).zip, (*inspection).magic} {
		is, err := try(s, p, b)
		if err != nil {
			return err
		}
		known = known || is
	}
	if known || p.role == tensorData {
		return nil
	}
	is, err := s.text(p, b)
	if err != nil || is {
		return err
	}
	is, err = s.onnx(p, b)
	if err != nil || is {
		return err
	}
	s.format("unknown")
	s.unclear(p, 0, "is of no format that can be judged")
	return nil
}

// magicRow is a format that its first bytes tell.
type magicRow struct {
	at    int64
	magic string
	judge probe
}

func magicRows() []magicRow {
	return []magicRow{
		{0, "\x93NUMPY", (*inspection).npy},
		{0, "\x1f\x8b", (*inspection).gzip},
		{0, "BZh", (*inspection).bzip2},
		{0, "\xfd7zXZ\x00", (*inspection).xz},
		{0, "\x5d\x00\x00", (*inspection).lzma},
		{0, "\x28\xb5\x2f\xfd", (*inspection).zstd},
		{0, "\x04\x22\x4d\x18", (*inspection).lz4},
		{0, "ZF0x", (*inspection).oldJoblib},
		{0, "GGUF", (*inspection).gguf},
		{0, "CBM1", (*inspection).catboost},
		{0, "{L", (*inspection).ubjson},
		{0, "{i", (*inspection).ubjson},
		{0, "{U", (*inspection).ubjson},
		{0, "\x37\x7a\xbc\xaf\x27\x1c", closed("7z", "an archive of 7-Zip")},
		{0, "Rar!", closed("rar", "a RAR archive")},
		{0, "\x7fELF", program("ELF")},
		{0, "MZ", program("PE")},
		{0, "\xcf\xfa\xed\xfe", program("Mach-O")},
		{0, "\xca\xfe\xba\xbe", program("Mach-O or Java")},
		{0, "\x00asm", program("WebAssembly")},
		{257, "ustar", (*inspection).tar},
		{0, "\x89PNG\r\n\x1a\n", (*inspection).png},
	}
}

// magic judges a file whose first bytes name its format. HDF5, zlib, safetensors and compiled Python are told by more than
// one magic number.
func (s *inspection) magic(p place, b blob) (bool, error) {
	head := b.head(512)
	for _, row := range magicRows() {
		if int64(len(head)) < row.at || !bytes.HasPrefix(head[row.at:], []byte(row.magic)) {
			continue
		}
		if is, err := row.judge(s, p, b); is || err != nil {
			return is, err
		}
	}
	for _, try := range []probe{(*inspection).safetensors, (*inspection).hdf5, (*inspection).zlib, (*inspection).compiled} {
		if is, err := try(s, p, b); is || err != nil {
			return is, err
		}
	}
	return false, nil
}

// closed is a format that is recognised but cannot be opened here.
func closed(name, what string) probe {
	return func(s *inspection, p place, _ blob) (bool, error) {
		s.format(name)
		s.unclear(p, 0, "is "+what+", which cannot be looked into")
		return true, nil
	}
}

// program is machine code: a loader of models that finds it would run it.
func program(kind string) probe {
	return func(s *inspection, p place, b blob) (bool, error) {
		if utf8.Valid(b.head(64)) && kind == "PE" {
			return false, nil // a text may begin with MZ
		}
		s.format("program")
		s.block(p, 0, "is a program ("+kind+")", "")
		return true, nil
	}
}

// compiled finds compiled Python: two bytes of version, then a carriage return and a newline, then small flags.
func (s *inspection) compiled(p place, b blob) (bool, error) {
	h := b.head(17)
	if len(h) < 17 || h[2] != '\r' || h[3] != '\n' || h[1] > 0x0f || h[4] > 3 || h[5] != 0 || h[16]&0x7f != 0x63 {
		return false, nil
	}
	s.format("python")
	s.block(p, 0, "is compiled Python, which cannot be read before it runs", "")
	return true, nil
}

// png passes over a picture: no loader of models reads it, and its chunks are checked to the end of the file.
func (s *inspection) png(p place, b blob) (bool, error) {
	c := newCursor(b, 8)
	for {
		h, err := c.take(8)
		if err != nil {
			break
		}
		n := int64(h[0])<<24 | int64(h[1])<<16 | int64(h[2])<<8 | int64(h[3])
		end := string(h[4:8]) == "IEND"
		if c.skip(n+4) != nil {
			break
		}
		if end && c.left() == 0 {
			s.format("png")
			return true, nil
		}
		if end {
			break
		}
	}
	s.format("png")
	s.unclear(p, c.pos, "is a picture that is broken or goes on after its end")
	return true, nil
}
