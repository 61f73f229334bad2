package cascade

import (
	"crypto/md5"  //nolint:gosec // lists of others have such hashes
	"crypto/sha1" //nolint:gosec // the same
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"mlx/internal/fault"
)

// fits refuses a list that could never be asked: hashes of 64 bits are computed by whoever asks.
func (s Stage) fits(width int) error {
	if width == 8 && s.List.Encoding != "hex" {
		return fault.New(fault.Usage, "cannot ask stage %s: hashes of 64 bits come with the request", s.Name).Hint("encoding: hex")
	}
	return nil
}

// look looks a request up in a list. What has no such part is on no list.
func (a asking) look(s *stage) *reply {
	r := &reply{stage: s.number}
	text, free, err := a.plain(a.req.Header.Get("Content-Encoding"), a.body)
	defer free()
	if err != nil {
		return &reply{stage: s.number, status: statusOf(err), header: http.Header{"Content-Type": {"application/json"}}, body: problem(err.Error())}
	}
	hash, err := hashOf(s.Stage, s.list.Width(), text)
	var bad *refusal
	switch {
	case errors.Is(err, errNoPlace):
		return r
	case errors.As(err, &bad):
		return &reply{stage: s.number, status: bad.status, header: http.Header{"Content-Type": {"application/json"}}, body: problem(bad.why)}
	}
	has, err := s.list.Has(hash)
	if err != nil {
		r.err = err
		return r
	}
	if has {
		return ownReply(s)
	}
	return r
}

// hashOf is what a list is asked for.
func hashOf(s Stage, width int, text []byte) ([]byte, error) {
	said := text
	if s.List.Of != "" {
		from, to, err := place(text, s.List.Of)
		if err != nil || text[from] != '"' {
			return nil, errNoPlace
		}
		word, err := textOf(text[from:to])
		if err != nil {
			return nil, &refusal{http.StatusBadRequest, "there is no text at " + s.List.Of}
		}
		said = []byte(word)
	}
	switch s.List.Encoding {
	case "hex":
		hash, err := hex.DecodeString(strings.TrimSpace(string(said)))
		if err != nil || len(hash) != width {
			return nil, &refusal{http.StatusBadRequest, fmt.Sprintf("there is no hash of %d hexadecimal digits at %q", 2*width, s.List.Of)}
		}
		return hash, nil
	case "base64":
		raw, err := decode64(string(said))
		if err != nil {
			return nil, &refusal{http.StatusBadRequest, fmt.Sprintf("there is no base64 at %q", s.List.Of)}
		}
		said = raw
	}
	return sum(width, said), nil
}

// decode64 reads base64 of either alphabet, with or without padding, also in a data: URL.
func decode64(text string) ([]byte, error) {
	if strings.HasPrefix(text, "data:") {
		_, text, _ = strings.Cut(text, ",")
	}
	text = strings.TrimRight(strings.TrimSpace(text), "=")
	if strings.ContainsAny(text, "-_") {
		return base64.RawURLEncoding.DecodeString(text)
	}
	return base64.RawStdEncoding.DecodeString(text)
}

// sum is the hash of a length.
func sum(width int, text []byte) []byte {
	switch width {
	case md5.Size:
		h := md5.Sum(text) //nolint:gosec // the list has it
		return h[:]
	case sha1.Size:
		h := sha1.Sum(text) //nolint:gosec // the list has it
		return h[:]
	case sha512.Size:
		h := sha512.Sum512(text)
		return h[:]
	}
	h := sha256.Sum256(text)
	return h[:]
}
