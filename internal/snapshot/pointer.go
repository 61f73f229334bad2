package snapshot

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// Suffix ends the name of a pointer file: data/train.mlx stands in git for data/train.
const Suffix = ".mlx"

const (
	pointerMagic = "mlx pointer 1"
	pointerLimit = 4 << 10
)

// Pointer is the content of a pointer file: what git keeps in the place of data. Files and Bytes are hints.
type Pointer struct {
	Root object.Digest
	Summary
}

// Encode returns the bytes of the pointer file.
func (p Pointer) Encode() []byte {
	return fmt.Appendf(nil, "%s\nroot %s\nkind %s\nfiles %d\nbytes %d\n", pointerMagic, p.Root, p.Kind, p.Files, p.Bytes)
}

// ParsePointer reads a pointer file; a merge conflict in it is named as such.
func ParsePointer(b []byte) (Pointer, error) {
	bad := func(format string, args ...any) (Pointer, error) {
		return Pointer{}, fault.New(fault.Usage, "not a pointer file: "+format, args...)
	}
	if len(b) > pointerLimit {
		return bad("%d bytes, at most %d are allowed", len(b), pointerLimit)
	}
	if bytes.HasPrefix(b, []byte("<<<<<<< ")) || bytes.Contains(b, []byte("\n<<<<<<< ")) {
		return Pointer{}, fault.New(fault.Conflict, "it has a merge conflict")
	}
	text, whole := strings.CutSuffix(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n") // git may have checked it out so
	lines := strings.Split(text, "\n")
	if lines[0] != pointerMagic {
		return bad("its first line is not %q", pointerMagic)
	}
	if len(lines) != 5 || !whole {
		return bad("%d lines, not 5, or the last is cut short", len(lines))
	}
	var value [4]string
	for i, key := range []string{"root", "kind", "files", "bytes"} {
		v, ok := strings.CutPrefix(lines[i+1], key+" ")
		if !ok {
			return bad("line %d does not start with %q", i+2, key)
		}
		value[i] = v
	}
	return pointerOf(value, bad)
}

func pointerOf(value [4]string, bad func(string, ...any) (Pointer, error)) (Pointer, error) {
	root, err := object.ParseDigest(value[0])
	if err != nil || root.IsZero() || !strings.HasPrefix(value[0], "sha256:") {
		return bad("line 2 holds no sha256 digest")
	}
	p := Pointer{Root: root, Summary: Summary{Kind: Kind(value[1])}}
	if p.Kind != Directory && p.Kind != File {
		return bad("line 3: unknown kind %q", value[1])
	}
	for i, n := range []*int64{&p.Files, &p.Bytes} {
		if *n, err = strconv.ParseInt(value[i+2], 10, 64); err != nil || *n < 0 || strconv.FormatInt(*n, 10) != value[i+2] {
			return bad("line %d holds no number", i+4)
		}
	}
	return p, nil
}
