package dataset

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// TestStream: what comes from a pipe once is profiled as the same bytes of a file are, and a type that turns out to be another is an
// error that says why it cannot be mended.
func TestStream(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("x,word\n")
	for i := range 700_000 {
		fmt.Fprintf(&b, "%d.25,w%d\n", i, i%3)
	}
	schema := Schema{{Name: "x", Type: Float}, {Name: "word", Type: Text}}
	read := func(text string, types Schema) (*Profile, error) {
		table, err := Open(t.Context(), []File{FromStream("stdin", strings.NewReader(text))}, Options{Schema: types, Workers: 2})
		if err != nil {
			return nil, err
		}
		defer table.Close()
		return ProfileOf(t.Context(), table, ProfileOptions{})
	}
	p, err := read(b.String(), schema)
	if err != nil {
		t.Fatal(err)
	}
	if c := p.Column(0); p.Rows() != 700_000 || c.Mean() != 349_999.75 {
		t.Errorf("%d rows with the mean %v", p.Rows(), c.Mean())
	}
	late := strings.ReplaceAll(b.String(), ".25", "") + "word,w\n"
	if _, err := read(late, nil); err == nil || !strings.Contains(err.Error(), "cannot read stdin again") {
		t.Errorf("a late word: %v", err)
	}
}
