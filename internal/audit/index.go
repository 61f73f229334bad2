package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"mlx/internal/object"
)

// formatName stands in the header of a segment.
const formatName = "mlx-predictions/1"

// header is what is known when a segment begins.
type header struct {
	Format  string        `json:"format"`
	Service string        `json:"service"`
	Writer  string        `json:"writer"`
	Number  int64         `json:"number"`
	Policy  object.Digest `json:"policy"`
	Taken   uint64        `json:"taken"`   // requests that the writer had taken in for the segments before
	Dropped int64         `json:"dropped"` // and those that it had dropped
}

func (h header) sound() bool {
	return h.Format == formatName && h.Service != "" && isName(h.Writer) && h.Number > 0
}

// isName says whether a text is the name of a writer: it becomes part of file names.
func isName(s string) bool {
	for i := range len(s) {
		if !isHex(s[i]) {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 64
}

// ending is the first line of an index. Its counts say nothing of the bytes, which are known when it is written.
type ending struct {
	Previous object.Digest `json:"previous"`
	SegmentCounts
}

// index is what stands at the end of a segment: counts, where the frames are, and for each which ids it may hold.
type index struct {
	ending
	frames []frameInfo
	blooms [][]byte // of each frame
}

const (
	indexEntry = 8 + frameBytes // offset, frame
	trailer    = 12             // size of the payload, name of the format
	indexName  = "mlxpred1"
	maxIndex   = 256 << 20
)

func (x *index) append(b []byte) ([]byte, error) {
	text, err := object.Encode(x.ending)
	if err != nil {
		return nil, err
	}
	payload := append(text, '\n')
	for i := range x.frames {
		payload = binary.LittleEndian.AppendUint64(payload, uint64(x.frames[i].offset))
		payload = x.frames[i].append(payload)
	}
	for _, bloom := range x.blooms {
		payload = append(payload, bloom...)
	}
	payload = binary.LittleEndian.AppendUint32(payload, uint32(len(payload)+trailer))
	payload = append(payload, indexName...)
	if len(payload) > maxIndex {
		return nil, errors.New("its index is too long")
	}
	return skippable(b, magicIndex, payload), nil
}

// readIndex reads the index of a finished segment of size bytes.
func readIndex(r io.ReaderAt, size int64) (*index, error) {
	var end [trailer]byte
	if size < int64(len(emptyFrame)+2*skipBytes+trailer) {
		return nil, errDamaged
	}
	if err := readFull(r, end[:], size-trailer); err != nil {
		return nil, err
	}
	length := int64(binary.LittleEndian.Uint32(end[:]))
	if string(end[4:]) != indexName || length > maxIndex || length < trailer || length > size-int64(len(emptyFrame))-skipBytes {
		return nil, errDamaged
	}
	at := size - length
	if magic, n, err := skipHeader(r, at-skipBytes, size); err != nil || magic != magicIndex || int64(n) != length {
		return nil, errDamaged
	}
	payload := make([]byte, length-trailer)
	if err := readFull(r, payload, at); err != nil {
		return nil, err
	}
	x := &index{}
	return x, x.parse(payload, at-skipBytes)
}

// parse reads the payload of an index that begins at end in its file.
func (x *index) parse(payload []byte, end int64) error {
	line, rest, ok := bytes.Cut(payload, []byte("\n"))
	if !ok {
		return errDamaged
	}
	if err := object.Decode(line, &x.ending); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	next := int64(0)
	bloomed := 0
	for len(rest) != bloomed { // the filters take what is left once all frames are read
		if len(rest) < indexEntry || len(rest) < bloomed {
			return errDamaged
		}
		f := readFrameInfo(rest[8:])
		f.offset = int64(binary.LittleEndian.Uint64(rest))
		if f.offset < next || !f.sound(end) {
			return errDamaged
		}
		next = f.offset + int64(f.size)
		x.frames = append(x.frames, f)
		bloomed += bloomBytes(int(f.requests))
		rest = rest[indexEntry:]
	}
	for i := range x.frames {
		n := bloomBytes(int(x.frames[i].requests))
		x.blooms = append(x.blooms, rest[:n:n])
		rest = rest[n:]
	}
	return nil
}

// A bloom filter has 16 bits a request and 8 hashes: one of 1,700 frames is looked through in vain.
const bloomHashes = 8

// bloomBytes is how long the filter of a frame with so many requests is.
func bloomBytes(requests int) int { return max(8, 2*requests) }

// bloomKey is what an id is looked for by: two halves of the beginning of its SHA-256.
func bloomKey(id string) [2]uint64 {
	sum := sha256.Sum256([]byte(id))
	return [2]uint64{binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:])}
}

func bloomSet(bloom []byte, key [2]uint64) {
	for i := range uint64(bloomHashes) {
		bit := (key[0] + i*key[1]) % uint64(8*len(bloom))
		bloom[bit/8] |= 1 << (bit % 8)
	}
}

func bloomHas(bloom []byte, key [2]uint64) bool {
	for i := range uint64(bloomHashes) {
		bit := (key[0] + i*key[1]) % uint64(8*len(bloom))
		if bloom[bit/8]&(1<<(bit%8)) == 0 {
			return false
		}
	}
	return true
}
