package audit

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/object"
)

const vectors = "../../testdata/format/v1/predictions"

func vector(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(vectors, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// allRows are the rows of every frame that can be read.
func allRows(t *testing.T, s *segment) (rows []byte, bad int) {
	t.Helper()
	c, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for _, f := range s.frames {
		b, err := c.rows(s.r, f)
		if err != nil {
			bad++
			continue
		}
		rows = append(rows, b...)
	}
	return rows, bad
}

// TestVectors reads what was written once.
func TestVectors(t *testing.T) {
	var want Sealed
	if err := object.Decode(bytes.TrimSpace(vector(t, "record.json")), &want); err != nil {
		t.Fatal(err)
	}
	got, err := sealedOf(filepath.Join(vectors, "segment.jsonl.zst"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"segment.jsonl.zst", "segment.open"} {
		b := vector(t, name)
		s, err := openSegment(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(name, err)
		}
		rows, bad := allRows(t, s)
		if bad > 0 || !bytes.Equal(rows, vector(t, "rows.jsonl")) {
			t.Errorf("%s: %d bad frames, rows\n%s", name, bad, rows)
		}
		if full := strings.HasSuffix(name, fullEnd); full != (s.index != nil) || s.torn || s.header.Taken != 4 || s.header.Number != 2 {
			t.Errorf("%s: %+v", name, s.header)
		}
		if s.index == nil {
			continue
		}
		for id, has := range map[string]bool{"one": true, "batch": true, `img "1"`: true, "other": false, "batch#0": false} {
			if bloomHas(s.index.blooms[0], bloomKey(id)) != has {
				t.Errorf("the filter says %v of %s", !has, id)
			}
		}
	}
}

// TestHostile: each file is refused, or nothing of its frame is believed.
func TestHostile(t *testing.T) {
	list, err := os.ReadDir(filepath.Join(vectors, "hostile"))
	if err != nil || len(list) < 9 {
		t.Fatal(list, err)
	}
	for _, e := range list {
		b := vector(t, filepath.Join("hostile", e.Name()))
		s, err := openSegment(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			continue
		}
		rows, bad := allRows(t, s)
		if len(rows) > 0 || bad == 0 && !s.torn {
			t.Errorf("%s: %d rows, %d bad frames, torn %v", e.Name(), len(rows), bad, s.torn)
		}
	}
}
