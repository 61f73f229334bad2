package train

import (
	"bufio"
	"encoding/binary"
	"io"

	"mlx/internal/fault"
)

// linkMagic is the first line that both sides of a link send (docs/format/link.md).
const linkMagic = "mlx link 1\n"

// frameKind says what a frame is.
type frameKind byte

// The kinds of frame. Replies end a call; data go both ways, and are acknowledged so that no side sends more than the
// other has room for.
const (
	frameCall  frameKind = 'C' // request, JSON
	frameReply frameKind = 'R' // reply, JSON
	frameData  frameKind = 'D'
	frameEnd   frameKind = 'E' // no more data from the caller; a payload says why they are not whole
	frameAck   frameKind = 'A' // count of data frames that were used up
	frameStop  frameKind = 'S' // the caller does not wait any more
	frameBeat  frameKind = 'B' // sign of life
)

const (
	frameHead  = 4 + 1 + 4 // length of what follows it, kind, call
	maxData    = 256 << 10
	maxMessage = 4 << 20 // of requests and replies
	dataWindow = 32      // data frames on their way in each direction of a call
)

// frame is one frame. Payloads of data belong to a pool.
type frame struct {
	kind    frameKind
	call    uint32
	payload []byte
}

// limit returns how long the payload of a kind may be; -1 for a kind that is not known.
func (k frameKind) limit() int {
	switch k {
	case frameCall, frameReply:
		return maxMessage
	case frameData:
		return maxData
	case frameEnd:
		return 4 << 10
	case frameAck:
		return 4
	case frameStop, frameBeat:
		return 0
	}
	return -1
}

// appendFrameHead appends what stands in front of a payload of n bytes.
func appendFrameHead(dst []byte, kind frameKind, call uint32, n int) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(n)) //nolint:gosec // bounded by limit
	dst = append(dst, byte(kind))
	return binary.LittleEndian.AppendUint32(dst, call)
}

// readFrame reads a frame. get returns a buffer of at least n bytes, and is asked only for what the kind allows.
func readFrame(r *bufio.Reader, get func(n int) []byte) (frame, error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, err
	}
	f := frame{kind: frameKind(head[4]), call: binary.LittleEndian.Uint32(head[5:])}
	n := binary.LittleEndian.Uint32(head[:])
	if limit := f.kind.limit(); limit < 0 || int64(n) > int64(limit) {
		return frame{}, fault.New(fault.Integrity, "frame %q of %d bytes is none of this protocol", head[4], n).
			Hint("mlx version   # the same mlx on both sides?")
	}
	if n == 0 {
		return f, nil
	}
	f.payload = get(int(n))[:n]
	if _, err := io.ReadFull(r, f.payload); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return frame{}, err
	}
	return f, nil
}
