package router

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"

	"mlx/internal/deploy/router/internal/answer"
)

// body is that of a request: kept, so that it can be sent again, copied and looked at, or passed on as it comes.
type body struct {
	kept   []byte
	whole  bool // kept is all of it
	tried  bool
	source io.ReadCloser // what is left to be read
	read   atomic.Bool   // some of it was passed on, and cannot be sent again
	waits  atomic.Bool   // for the client
	broken atomic.Bool   // the client did not send all of it

	unpacked bool   // clear was looked for
	clear    []byte // kept, as it was before it was packed; nil: it is not known

	mu      sync.Mutex // of source, which a transport may still read when its request is answered
	ended   bool       // nothing is left in source
	over    bool       // nobody may read it any more
	counted int64      // of the memory of all
}

// limit holds the body to as many bytes.
func (b *body) limit(w http.ResponseWriter, req *http.Request, most int64) {
	b.source = req.Body
	switch {
	case req.Body == nil || req.Body == http.NoBody || req.ContentLength == 0:
		b.whole, b.tried = true, true
	case req.ContentLength < 0:
		b.source = http.MaxBytesReader(w, req.Body, most)
	}
}

// keep reads the body if it is short enough to be kept, and no stream.
func (b *body) keep(r *router, req *http.Request) error {
	limits := r.o.Settings.Limits
	if b.tried {
		return nil
	}
	b.tried = true
	n := req.ContentLength
	most := min(limits.Keep, limits.Body)
	if n > most || req.Header.Get("Upgrade") != "" || answer.Streams(req.Header.Get("Content-Type")) {
		return nil
	}
	reserve := n
	if n < 0 {
		reserve = most
	}
	if r.kept.Add(reserve) > limits.KeepAll {
		r.kept.Add(-reserve)
		return nil
	}
	b.counted = reserve
	var err error
	if n >= 0 {
		b.kept = make([]byte, n)
		_, err = io.ReadFull(b.source, b.kept)
		b.whole = err == nil
	} else {
		b.kept, err = io.ReadAll(io.LimitReader(b.source, most+1))
		if b.whole = err == nil && int64(len(b.kept)) <= most; b.whole {
			r.kept.Add(int64(len(b.kept)) - b.counted)
			b.counted = int64(len(b.kept))
		}
	}
	var long *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &long):
		r.shared.N[cellTooLong].Add(1)
		return tooLong(long.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &refusal{status: http.StatusRequestTimeout, why: "the body of the request did not come in time"}
	}
	return notWhole()
}

func notWhole() error {
	return &refusal{status: http.StatusBadRequest, why: "the body of the request is not whole"}
}

// release gives the memory back.
func (b *body) release(r *router) {
	r.kept.Add(-b.counted)
	b.counted = 0
}

// attach makes it the body of the request that is proxied.
func (b *body) attach(req *http.Request) {
	if b.whole {
		req.ContentLength = int64(len(b.kept))
		req.TransferEncoding = nil
	}
	req.Body = b.reader()
}

// reader reads the body from its start. Of one that is not kept there is one reader in effect, which Close leaves open: another server can
// still be asked if nothing was read.
func (b *body) reader() io.ReadCloser {
	switch {
	case b.whole && len(b.kept) == 0:
		return http.NoBody
	case b.whole:
		return io.NopCloser(bytes.NewReader(b.kept))
	}
	return passing{b}
}

// drained is what net/http reads of the rest of a body by itself once a request is answered.
const drained = 256 << 10

// long: a server may well answer before it has all of the body, which HTTP/1 has to be told.
func (b *body) long(req *http.Request) bool {
	return !b.whole && req.ProtoMajor == 1 && (req.ContentLength < 0 || req.ContentLength > drained)
}

// drain reads what the server has left of a long body. While both sides are open net/http must not find the end of a body after the
// handler: it would read on in the background, and cut off the next request. And the client was not told that the connection would end.
func (b *body) drain() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	if b.ended {
		return
	}
	var long *http.MaxBytesError
	if _, err := io.Copy(io.Discard, b.source); err != nil && !errors.As(err, &long) { // of one that is too long net/http takes care
		panic(http.ErrAbortHandler) // nobody knows where the next request would begin
	}
}

// again says whether the body can be sent once more.
func (b *body) again() bool { return b.whole || !b.read.Load() }

type passing struct{ b *body }

func (p passing) Read(to []byte) (int, error) {
	p.b.read.Store(true)
	if len(p.b.kept) > 0 { // the start of a body that was too long to be kept
		n := copy(to, p.b.kept)
		p.b.kept = p.b.kept[n:]
		return n, nil
	}
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	if p.b.over {
		return 0, io.ErrClosedPipe
	}
	p.b.waits.Store(true)
	n, err := p.b.source.Read(to)
	p.b.waits.Store(false)
	p.b.ended = p.b.ended || err == io.EOF
	if err != nil && err != io.EOF {
		p.b.broken.Store(true)
	}
	return n, err
}

func (passing) Close() error { return nil }

// mostPacked is how many times longer than itself a body can be that was packed.
const mostPacked = 1040

// plain is the body as it was before it was packed; nil if it is not whole, would be longer than a body that is kept, or finds no memory.
func (b *body) plain(r *router, req *http.Request) []byte {
	coding := req.Header.Get("Content-Encoding")
	switch {
	case !b.whole:
		return nil
	case coding == "":
		return b.kept
	case b.unpacked:
		return b.clear
	}
	b.unpacked = true
	limits := r.o.Settings.Limits
	reserve := min(limits.Keep, mostPacked*int64(len(b.kept)))
	if r.kept.Add(reserve) > limits.KeepAll {
		r.kept.Add(-reserve)
		return nil
	}
	if clear, ok := answer.Plain(coding, b.kept, int(limits.Keep)); ok {
		b.clear = clear
	}
	r.kept.Add(int64(len(b.clear)) - reserve)
	b.counted += int64(len(b.clear))
	return b.clear
}
