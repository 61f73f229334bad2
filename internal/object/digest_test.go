package object

import (
	"encoding/json"
	"strings"
	"testing"
)

const emptyHex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestDigest(t *testing.T) {
	d := Sum(nil)
	if d.Hex() != emptyHex || d.String() != "sha256:"+emptyHex || d.Short() != emptyHex[:12] {
		t.Errorf("got %s, %s, %s", d.Hex(), d, d.Short())
	}
	for _, s := range []string{emptyHex, "sha256:" + emptyHex} {
		if got, err := ParseDigest(s); err != nil || got != d {
			t.Errorf("%s: got %s, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "sha256:", emptyHex[1:], emptyHex + "0", strings.ToUpper(emptyHex), "sha512:" + emptyHex, "sha256:" + emptyHex[2:] + "g0"} {
		if got, err := ParseDigest(s); err == nil {
			t.Errorf("%q became %s", s, got)
		}
	}
}

func TestDigestInJSON(t *testing.T) {
	type holder struct{ A, B Digest }
	b, err := json.Marshal(holder{A: Sum(nil)})
	if want := `{"A":"sha256:` + emptyHex + `","B":""}`; err != nil || string(b) != want {
		t.Errorf("got %s, %v; want %s", b, err, want)
	}
	var h holder
	if err := json.Unmarshal(b, &h); err != nil || h.A != Sum(nil) || !h.B.IsZero() {
		t.Errorf("got %+v, %v", h, err)
	}
}

func TestPrefix(t *testing.T) {
	d := Sum(nil)
	for _, s := range []string{"e3b0", "e3b0c", "sha256:e3b0c44", emptyHex} {
		p, err := ParsePrefix(s)
		if err != nil || !p.Match(d) || p.Match(Sum([]byte("x"))) {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []string{"", "e3b", "E3B0", "xyz0", emptyHex + "0"} {
		if _, err := ParsePrefix(s); err == nil {
			t.Errorf("%q is a prefix", s)
		}
	}
	p, _ := ParsePrefix("e3b0c")
	lo, hi := p.Range()
	if lo.Hex() != "e3b0c"+strings.Repeat("0", 59) || hi.Hex() != "e3b0c"+strings.Repeat("f", 59) {
		t.Errorf("got %s to %s", lo, hi)
	}
}
