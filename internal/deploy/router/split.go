package router

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"strconv"

	"mlx/internal/deploy"
	"mlx/internal/deploy/router/internal/jsonpart"
)

// Hash is the number that a word is known by: the first 8 bytes, most significant first, of the SHA-256 of the salt, a zero byte and the
// word.
func Hash(salt, word string) uint64 {
	var buffer [128]byte
	b := append(buffer[:0], salt...)
	b = append(b, 0)
	sum := sha256.Sum256(append(b, word...))
	return binary.BigEndian.Uint64(sum[:])
}

// Bucket is the bucket of a word, from 0 to 9999: Hash modulo 10000. The candidate has the buckets below its share, and so who has it
// keeps it as it grows.
func Bucket(salt, word string) int { return int(Hash(salt, word) % uint64(deploy.All)) }

// draw is where a request falls.
type draw struct {
	bucket  int
	hash    uint64
	word    bool // there was one
	counted bool
}

// sticky is a deploy.Sticky that is ready to be used.
type sticky struct {
	deploy.Sticky
	field jsonpart.Pointer
}

func newSticky(s deploy.Sticky) sticky {
	p, _ := jsonpart.ParsePointer(s.Field) // check has read it
	return sticky{s, p}
}

// draw takes the bucket of the word of a request; of one without, any bucket, or none at all if only words count. The body is needed where
// a field is named.
func (s sticky) draw(req *http.Request, body []byte) draw {
	if word, ok := s.find(req, body); ok {
		h := Hash(s.Salt, word)
		return draw{bucket: int(h % uint64(deploy.All)), hash: h, word: true, counted: true}
	}
	if s.Strict {
		return draw{bucket: -1}
	}
	return draw{bucket: rand.IntN(int(deploy.All)), counted: true}
}

func (s sticky) find(req *http.Request, body []byte) (string, bool) {
	word := ""
	switch {
	case s.Header != "":
		word = req.Header.Get(s.Header)
	case s.Cookie != "":
		if c, err := req.Cookie(s.Cookie); err == nil {
			word = c.Value
		}
	case s.Field != "":
		document, ok := jsonpart.Document(body)
		if !ok {
			return "", false
		}
		value := s.field.Find(document)
		switch jsonpart.KindOf(value) {
		case jsonpart.String:
			word, _ = jsonpart.Text(value)
		case jsonpart.Number, jsonpart.Bool:
			word = string(value) // as it stands: 7 and 7.0 are two words
		default:
		}
	}
	return word, word != ""
}

// sampled says whether the sink gets the bodies of a request.
func sampled(id string, share deploy.Share) bool {
	return share > 0 && Bucket("sample", id) < int(share)
}

func (d draw) hexWord() string {
	if !d.word {
		return ""
	}
	s := strconv.FormatUint(d.hash, 16)
	return "0000000000000000"[len(s):] + s
}

func (d draw) ofWord() int {
	if !d.word {
		return -1
	}
	return d.bucket
}
