package dataset

import (
	"errors"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// oddUTF16 is a place that is no UTF-16.
type oddUTF16 struct {
	line int64
	why  string
}

func (e *oddUTF16) Error() string { return fmt.Sprintf("the UTF-16 text %s", e.why) }

// utf16Reader turns UTF-16 into UTF-8.
type utf16Reader struct {
	in    io.Reader
	big   bool
	line  int64 // ended so far
	raw   [4096]byte
	kept  int // bytes at the start of raw that wait for their other half
	out   []byte
	ended error
}

// Read reads UTF-8.
func (u *utf16Reader) Read(p []byte) (int, error) {
	for len(u.out) == 0 {
		if u.ended != nil {
			return 0, u.ended
		}
		u.more()
	}
	n := copy(p, u.out)
	u.out = u.out[n:]
	return n, nil
}

// more decodes what can be read at once.
func (u *utf16Reader) more() {
	n, err := u.in.Read(u.raw[u.kept:])
	n += u.kept
	out := make([]byte, 0, 2*n)
	at := 0
	for at+1 < n {
		r := u.unit(at)
		size := 2
		if utf16.IsSurrogate(r) {
			if at+3 >= n && err == nil {
				break
			}
			if size = 4; at+3 < n {
				r = utf16.DecodeRune(r, u.unit(at+2))
			}
			if at+3 >= n || r == utf8.RuneError {
				u.ended = &oddUTF16{u.line + 1, "has half of a character"}
				u.out = out
				return
			}
		}
		if r == '\n' {
			u.line++
		}
		out = utf8.AppendRune(out, r)
		at += size
	}
	u.out, u.kept = out, copy(u.raw[:], u.raw[at:n])
	if err != nil {
		u.ended = err
		if errors.Is(err, io.EOF) && u.kept > 0 {
			u.ended = &oddUTF16{u.line + 1, "ends in the middle of a character"}
		}
	}
}

func (u *utf16Reader) unit(at int) rune {
	if u.big {
		return rune(u.raw[at])<<8 | rune(u.raw[at+1])
	}
	return rune(u.raw[at+1])<<8 | rune(u.raw[at])
}
