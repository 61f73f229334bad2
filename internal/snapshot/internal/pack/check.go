package pack

import (
	"crypto/sha256"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/sha2x"
)

// Check reads every frame and compares each byte with what the index commits to. decode turns a frame into its chunks (a
// delta needs a base that may lie elsewhere), or into nil where they have been compared with their digests already. Each
// damage goes to report with the chunks that it hurts.
func (p *File) Check(decode func(f Frame, ids []object.Digest, payload []byte) ([]byte, error), report func(ids []object.Digest, err error)) {
	var first [len(magic)]byte
	if _, err := p.f.ReadAt(first[:], 0); err != nil || string(first[:]) != magic {
		report(nil, fault.New(fault.Integrity, "damaged pack: wrong first bytes"))
	}
	sums, payloads := checker{report: report}, sha256.New()
	var head, buf []byte
	for i, rows := range p.byFrame() {
		f := p.x.frame(i)
		ids := make([]object.Digest, len(rows))
		lens := make([]int, len(rows))
		for j, e := range rows {
			ids[j], lens[j] = e.id, int(e.size)
		}
		if len(rows) != f.Chunks {
			report(ids, fault.New(fault.Integrity, "damaged pack index: %d chunks in a frame of %d", len(rows), f.Chunks))
			continue
		}
		head = f.appendHead(head[:0], lens)
		var err error
		if buf, err = p.whole(f, head, buf); err == nil && f.Codec != Raw {
			payloads.Write(buf[len(head):]) // a hash never fails
		}
		var raw []byte
		if err == nil {
			raw, err = decode(f, ids, buf[len(head):])
		}
		if err != nil {
			report(ids, err)
			continue
		}
		for _, e := range rows {
			if raw != nil {
				sums.add(e.id, raw[e.at:e.at+e.size])
			}
		}
	}
	sums.flush()
	if [32]byte(payloads.Sum(nil)) != p.x.payloads {
		report(nil, fault.New(fault.Integrity, "damaged pack: its payloads are not what the index says"))
	}
}

// checker compares chunks with their digests, two at a time: that costs little more than one.
type checker struct {
	report  func(ids []object.Digest, err error)
	id      object.Digest
	pending []byte
	waits   bool
}

func (c *checker) add(id object.Digest, b []byte) {
	if !c.waits {
		c.id, c.pending, c.waits = id, append(c.pending[:0], b...), true
		return
	}
	x, y := sha2x.Sum2(c.pending, b)
	c.waits = false
	c.judge(c.id, x)
	c.judge(id, y)
}

func (c *checker) judge(id object.Digest, sum [32]byte) {
	if id != sum {
		c.report([]object.Digest{id}, fault.New(fault.Integrity, "damaged chunk: its bytes do not have its digest"))
	}
}

func (c *checker) flush() {
	if c.waits {
		c.judge(c.id, sha256.Sum256(c.pending))
	}
}

// HasDelta says whether a frame of the pack is a delta.
func (p *File) HasDelta() bool {
	for i := range len(p.x.frames) / frameRow {
		if p.x.frame(i).Codec == Delta {
			return true
		}
	}
	return false
}

// Place names a frame among all packs.
type Place struct {
	File   *File
	Offset int64
}

// DecodeDelta decodes a delta frame and says where its base lies. Neither is compared with its digest.
func (r *Reader) DecodeDelta(f Frame, payload, dst []byte) (raw, base []byte, id object.Digest, at Loc, err error) {
	id, rest, err := baseOf(payload)
	if err != nil {
		return nil, nil, id, at, err
	}
	if base, at, err = r.fullCopy(id); err != nil {
		return nil, nil, id, at, err
	}
	raw, err = r.dec.Delta(dst, rest, base, f.Raw)
	return raw, base, id, at, err
}
