package snapshot

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mlx/internal/object"
)

// bench is a store, a folder of data and a clock, for one test.
type bench struct {
	t    *testing.T
	dir  string
	data string
	now  time.Time
	s    *Store
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, dir: t.TempDir(), now: time.Now()}
	b.data = filepath.Join(b.dir, "data")
	b.reopen()
	return b
}

func (b *bench) reopen() {
	b.t.Helper()
	s, err := Open(Options{
		Dir: filepath.Join(b.dir, "store"), Index: filepath.Join(b.dir, "index"),
		Clone: Clone{ID: strings.Repeat("ab", 16), Dir: b.dir}, Now: func() time.Time { return b.now }, Jobs: 2,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.s = s
}

func (b *bench) write(name string, content []byte) {
	b.t.Helper()
	path := filepath.Join(b.data, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o666); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) save(previous object.Digest) Saved {
	b.t.Helper()
	v, err := b.s.Save(context.Background(), SaveOptions{Path: b.data, Previous: previous})
	if err != nil {
		b.t.Fatal(err)
	}
	if err := v.Release(); err != nil {
		b.t.Fatal(err)
	}
	return v
}

func (b *bench) status(base object.Digest) []string {
	b.t.Helper()
	var out []string
	for c, err := range b.s.Status(context.Background(), StatusOptions{Path: b.data, Base: base, Kind: Directory}) {
		if err != nil {
			b.t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s %s %+d", c.Action, c.Path, c.BytesDelta))
	}
	return out
}

func (b *bench) checkout(to object.Digest, path string, o CheckoutOptions) (CheckedOut, error) {
	o.Path, o.To = path, to
	if o.Kind == "" {
		o.Kind = Directory
	}
	return b.s.Checkout(context.Background(), o)
}

func (b *bench) mustCheckout(to object.Digest, path string) CheckedOut {
	b.t.Helper()
	out, err := b.checkout(to, path, CheckoutOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// listing describes a folder completely: names, kinds, executable bits, contents.
func listing(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		st, err := e.Info()
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%q %s", rel, st.Mode().Type())
		switch {
		case st.Mode().IsRegular():
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %v %s", st.Mode()&0o100 != 0, object.Sum(b).Short())
		case st.Mode().Type() == fs.ModeSymlink:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += " " + to
		}
		out = append(out, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s:\n%s\nwant:\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// bytesOf returns n bytes: random, or text that compresses.
func bytesOf(r *rand.Rand, n int) []byte {
	out := make([]byte, 0, n)
	text := r.IntN(2) == 0
	for len(out) < n {
		if text {
			out = fmt.Appendf(out, "%d,row,%d,%.3f\n", len(out), r.IntN(100), r.Float64())
		} else {
			out = append(out, byte(r.Uint32()))
		}
	}
	return out[:n]
}
