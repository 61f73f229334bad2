package scan

import (
	"bytes"
	"compress/bzip2"
	"compress/flate"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"path"
	"slices"
	"strings"
)

// zipEntry is a member as the directory at the end of a zip tells it, and where its bytes lie.
type zipEntry struct {
	name       string
	flags      uint16
	method     uint16
	crc        uint32
	packed     int64
	size       int64
	header     int64 // offset of the local header
	data       int64 // offset of the bytes
	end        int64 // offset after the bytes and their descriptor
	contradict string
}

const (
	zipEnd       = "PK\x05\x06"
	zipLocal     = "PK\x03\x04"
	zipCentral   = "PK\x01\x02"
	maxMembers   = 1 << 20
	zipEncrypted = 1
	zipLater     = 8 // sizes follow the bytes
)

var errZip = errors.New("the directory of the zip is broken")

// zip judges a zip archive as both of its kinds of reader see it: those that trust the directory at the end (Python) and
// those that go by the headers before the bytes. Where the two disagree the file was made to deceive one of them.
func (s *inspection) zip(p place, b blob) (bool, error) {
	starts := string(b.head(4)) == zipLocal
	d, ok := findZipEnd(b)
	if !ok {
		if starts {
			s.format("zip")
			s.unclear(p, 0, "is a zip without a directory at its end")
		}
		return starts, nil
	}
	s.format("zip")
	entries, err := d.entries(b)
	if err != nil {
		s.unclear(p, d.at, "is a broken zip: "+err.Error())
	}
	s.zipShape(p, b, d, entries)
	return true, s.zipMembers(p, b, entries)
}

// zipDirectory says where the directory lies. shift is how far everything lies behind where the directory says.
type zipDirectory struct {
	at, size, offset, shift int64
	end                     int64 // offset after the end record and its comment
	several                 bool
}

// findZipEnd looks for the record that ends a zip, as Python does: the last one in the last 64 KiB.
func findZipEnd(b blob) (zipDirectory, bool) {
	from := max(0, b.size-65557)
	tail := b.at(from, 65557)
	i := bytes.LastIndex(tail, []byte(zipEnd))
	if i < 0 || len(tail)-i < 22 {
		return zipDirectory{}, false
	}
	r := tail[i:]
	d := zipDirectory{at: from + int64(i), size: int64(binary.LittleEndian.Uint32(r[12:])), offset: int64(binary.LittleEndian.Uint32(r[16:]))}
	d.end = d.at + 22 + int64(binary.LittleEndian.Uint16(r[20:]))
	d.several = bytes.Contains(tail[:i], []byte(zipEnd))
	last := d.at
	if wide := b.at(d.at-20, 20); d.at >= 20 && string(wide[:4]) == "PK\x06\x07" {
		record := b.at(d.at-20-56, 56)
		if d.at < 76 || len(record) < 56 || string(record[:4]) != "PK\x06\x06" {
			return d, true
		}
		last = d.at - 76
		d.size, d.offset = int64(binary.LittleEndian.Uint64(record[40:])), int64(binary.LittleEndian.Uint64(record[48:]))
	}
	d.shift = last - d.size - d.offset
	d.at = last
	return d, true
}

// entries reads the directory, and for each member the header before its bytes.
func (d zipDirectory) entries(b blob) ([]zipEntry, error) {
	start := d.offset + d.shift
	if d.size < 0 || d.offset < 0 || start < 0 || start > b.size || d.size > b.size-start {
		return nil, errZip
	}
	c := newCursor(b.part(start, d.size), 0)
	var all []zipEntry
	for c.left() >= 46 && len(all) < maxMembers {
		h, err := c.take(46)
		if err != nil || string(h[:4]) != zipCentral {
			return all, errZip
		}
		e := zipEntry{flags: binary.LittleEndian.Uint16(h[8:]), method: binary.LittleEndian.Uint16(h[10:]), crc: binary.LittleEndian.Uint32(h[16:]),
			packed: int64(binary.LittleEndian.Uint32(h[20:])), size: int64(binary.LittleEndian.Uint32(h[24:])), header: int64(binary.LittleEndian.Uint32(h[42:]))}
		names, extra, comment := int(binary.LittleEndian.Uint16(h[28:])), int(binary.LittleEndian.Uint16(h[30:])), int64(binary.LittleEndian.Uint16(h[32:]))
		rest, err := c.take(names)
		if err != nil {
			return all, errZip
		}
		e.name = string(rest)
		if rest, err = c.take(extra); err != nil || !e.wide(rest) || c.skip(comment) != nil {
			return all, errZip
		}
		e.header += d.shift
		e.local(b)
		all = append(all, e)
	}
	if c.left() > 0 {
		return all, errZip
	}
	return all, nil
}

// wide reads the sizes of ZIP64 where the ordinary ones are full.
func (e *zipEntry) wide(extra []byte) bool {
	for len(extra) >= 4 {
		id, n := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		if len(extra) < 4+n {
			return true // padding that is no field, as torch writes it
		}
		field := extra[4 : 4+n]
		extra = extra[4+n:]
		if id != 1 {
			continue
		}
		for _, v := range []*int64{&e.size, &e.packed, &e.header} {
			if *v != 0xffffffff {
				continue
			}
			if len(field) < 8 {
				return false
			}
			*v = int64(binary.LittleEndian.Uint64(field))
			field = field[8:]
		}
	}
	return e.size >= 0 && e.packed >= 0 && e.header >= 0
}

// local reads the header before the bytes and notes where it contradicts the directory.
func (e *zipEntry) local(b blob) {
	h := b.at(e.header, 30)
	if len(h) < 30 || string(h[:4]) != zipLocal {
		e.contradict = "has no header before its bytes"
		return
	}
	names, extra := int64(binary.LittleEndian.Uint16(h[26:])), int64(binary.LittleEndian.Uint16(h[28:]))
	e.data = e.header + 30 + names + extra
	e.end = e.data + e.packed
	if e.end > b.size || e.end < e.data {
		e.contradict = "goes on past the end of the file"
		e.packed = max(0, b.size-e.data)
	}
	flags := binary.LittleEndian.Uint16(h[6:])
	name := string(b.at(e.header+30, int(names)))
	size, packed := int64(binary.LittleEndian.Uint32(h[22:])), int64(binary.LittleEndian.Uint32(h[18:]))
	crc := binary.LittleEndian.Uint32(h[14:])
	switch {
	case name != e.name:
		e.contradict = "has another name before its bytes"
	case binary.LittleEndian.Uint16(h[8:]) != e.method:
		e.contradict = "has another compression before its bytes"
	case flags != e.flags:
		e.contradict = "has other flags before its bytes"
	case flags&zipLater == 0 && (size != e.size && size != 0xffffffff || packed != e.packed && packed != 0xffffffff || crc != e.crc):
		e.contradict = "has another size or checksum before its bytes"
	}
	if flags&zipLater != 0 {
		e.end = e.later(b)
	}
}

// later passes over the descriptor that follows the bytes.
func (e *zipEntry) later(b blob) int64 {
	d := b.at(e.end, 24)
	n := int64(12)
	if len(d) >= 4 && string(d[:4]) == "PK\x07\x08" {
		n += 4
		d = d[4:]
	}
	if len(d) >= 20 && int64(binary.LittleEndian.Uint64(d[4:])) == e.packed && int64(binary.LittleEndian.Uint64(d[12:])) == e.size {
		n += 8
	}
	return e.end + n
}

// zipShape reports what honest writers never do: bytes that belong to no member, members that share bytes or names.
func (s *inspection) zipShape(p place, b blob, d zipDirectory, entries []zipEntry) {
	if d.shift != 0 {
		s.block(p, 0, "is a zip behind other bytes: readers disagree on what it is", "GHSA-7q5r-7gvp-wc82")
	}
	if d.several {
		s.block(p, d.at, "has two directories: readers disagree on which counts", "GHSA-7q5r-7gvp-wc82")
	}
	if d.end != b.size {
		s.block(p, d.end, "goes on after the end of the zip", "")
	}
	byPlace := slices.Clone(entries)
	slices.SortFunc(byPlace, func(a, b zipEntry) int { return int(min(1, max(-1, a.header-b.header))) })
	at := d.shift
	names := make(map[string]bool)
	for _, e := range byPlace {
		in := p.member(e.name, plainFile)
		switch {
		case e.contradict != "":
			s.block(in, e.header, e.contradict, "CVE-2025-1944")
		case e.header < at:
			s.block(in, e.header, "shares bytes with another member", "")
		case e.header > at:
			s.block(p, at, "has bytes between its members", "")
		}
		if names[e.name] {
			s.block(in, e.header, "is there twice: readers disagree on which counts", "")
		}
		names[e.name] = true
		at = max(at, e.end)
	}
	if start := d.offset + d.shift; start > at {
		s.block(p, at, "has bytes between its members and its directory", "")
	}
}

// zipMembers judges every member by its bytes.
func (s *inspection) zipMembers(p place, b blob, entries []zipEntry) error {
	kind := zipKind(entries)
	if kind.name != "" {
		s.format(kind.name)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.name, "/") && e.size == 0 {
			continue
		}
		in := p.member(e.name, kind.role(e.name))
		s.safeName(in, e.name)
		if e.flags&zipEncrypted != 0 {
			s.block(in, e.header, "is marked as encrypted, which torch ignores: its bytes were judged as they are", "CVE-2025-1945")
		}
		if e.data == 0 || e.data > b.size {
			continue
		}
		if err := s.zipMember(in, b.part(e.data, e.packed), e); err != nil {
			return err
		}
	}
	return nil
}

func (s *inspection) zipMember(in place, raw blob, e zipEntry) error {
	judge := func(out blob) error {
		s.checksum(in, out, e)
		return s.judge(in, out)
	}
	switch e.method {
	case 0:
		return judge(raw)
	case 8:
		return s.expand(in, flate.NewReader(raw.reader()), judge)
	case 12:
		return s.expand(in, bzip2.NewReader(raw.reader()), judge)
	}
	s.unclear(in, e.header, "is compressed in a way that cannot be expanded here")
	return nil
}

// checksum reports a member whose bytes are not what the directory says: Python refuses it, torch loads it.
func (s *inspection) checksum(in place, out blob, e zipEntry) {
	sum := crc32.NewIEEE()
	if _, err := io.Copy(sum, readContext{s.ctx, out.reader()}); err != nil {
		return
	}
	if sum.Sum32() != e.crc || out.size != e.size {
		s.block(in, e.header, "has a wrong checksum or size: some readers refuse it and others load it", "CVE-2025-10156")
	}
}

// safeName reports a name that leads out of the folder that an archive is unpacked to.
func (s *inspection) safeName(in place, name string) {
	if unsafePath(name) {
		s.block(in, 0, "has a name that leads out of the folder it is unpacked to", "https://security.snyk.io/research/zip-slip-vulnerability")
	}
}

func unsafePath(name string) bool {
	slashed := strings.ReplaceAll(name, `\`, "/")
	return strings.ContainsRune(name, 0) || path.IsAbs(slashed) || slices.Contains(strings.Split(slashed, "/"), "..") ||
		len(name) > 1 && name[1] == ':'
}

// archiveKind is what the names in a zip say that it is for.
type archiveKind struct {
	name   string
	prefix string // of a torch archive
	script bool
}

func zipKind(entries []zipEntry) archiveKind {
	var k archiveKind
	for _, e := range entries {
		switch base := path.Base(e.name); {
		case base == "data.pkl" && k.name != "torch zip":
			k.name, k.prefix = "torch zip", strings.TrimSuffix(e.name, "data.pkl")
		case e.name == "config.json" && k.name == "":
			k.name = "keras"
		case strings.HasSuffix(base, ".npy") && k.name == "":
			k.name = "npz"
		case e.name == "schema.json" && k.name == "":
			k.name = "skops"
		}
	}
	for _, e := range entries {
		k.script = k.script || k.name == "torch zip" && strings.HasPrefix(e.name, k.prefix+"code/")
	}
	if k.script {
		k.name = "torchscript"
	}
	return k
}

// role says what the loader of the archive makes of a member.
func (k archiveKind) role(name string) role {
	rest, ok := strings.CutPrefix(name, k.prefix)
	switch {
	case k.name != "torch zip" && k.name != "torchscript" || !ok:
		return plainFile
	case strings.HasPrefix(rest, "data/"), strings.HasPrefix(rest, "constants/"):
		return tensorData
	case strings.HasPrefix(rest, "code/"):
		return scriptCode
	}
	return plainFile
}
