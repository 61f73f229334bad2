package snapshot

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// at returns an ignore function that keeps everything and does something once, when the scan comes to a name.
func at(name string, do func()) Ignore {
	var once sync.Once
	return func(rel string, _ bool) bool {
		if rel == name {
			once.Do(do)
		}
		return false
	}
}

// What changes under the scan is saved as it was found in the end, or refused by name; never a mixture.
func TestChangesUnderTheScan(t *testing.T) {
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "precious"), []byte("outside"), 0o666); err != nil {
		t.Fatal(err)
	}
	big := strings.Repeat("0123456789", 300_000)
	for what, c := range map[string]struct {
		do   func(b *bench)
		kind fault.Kind
		says string // "" where the save succeeds
	}{
		"a file vanishes before it is seen": {do: func(b *bench) { os.Remove(filepath.Join(b.data, "z2")) }},
		"a file vanishes after it was seen": {func(b *bench) { os.Remove(filepath.Join(b.data, "a")) }, fault.Conflict, "a: it vanished"},
		"a big file vanishes":               {func(b *bench) { os.Remove(filepath.Join(b.data, "big")) }, fault.Conflict, "big: it vanished"},
		"a folder vanishes":                 {func(b *bench) { os.RemoveAll(filepath.Join(b.data, "d")) }, fault.Conflict, "folder d"},
		"a file is rewritten":               {do: func(b *bench) { b.write("a", []byte("other content")) }},
		"a big file is rewritten":           {do: func(b *bench) { b.write("big", []byte(big+"more")) }},
		"a big file becomes small":          {do: func(b *bench) { b.write("big", []byte("small")) }},
		"a file becomes a symlink":          {func(b *bench) { os.Remove(filepath.Join(b.data, "a")); os.Symlink("b", filepath.Join(b.data, "a")) }, fault.Internal, "a"},
		"a folder becomes a symlink": {func(b *bench) {
			os.RemoveAll(filepath.Join(b.data, "d"))
			os.Symlink(outside, filepath.Join(b.data, "d"))
		}, fault.Conflict, "folder d"},
		"a file becomes executable meanwhile": {do: func(b *bench) { os.Chmod(filepath.Join(b.data, "a"), 0o755) }},
	} {
		t.Run(what, func(t *testing.T) {
			b := memoryBench(t)
			b.write("a", []byte("a content"))
			b.write("big", []byte(big))
			b.write("d/f", []byte("in a folder"))
			b.write("z", []byte("z"))
			b.write("z2", []byte("z2"))
			v, err := b.s.Save(context.Background(), SaveOptions{Path: b.data, Ignore: at("z", func() { c.do(b) })})
			if c.says != "" {
				if err == nil || fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			to := filepath.Join(b.dir, "to")
			b.mustCheckout(v.Root, to)
			same(t, "restored", listing(t, to), listing(t, b.data))
			same(t, "status", b.status(v.Root), nil)
		})
	}
}

// A file that never stops changing is refused by name.
func TestNeverStopsChanging(t *testing.T) {
	for name, size := range map[string]int{"small": 200 << 10, "big": 6 << 20} {
		b := memoryBench(t)
		b.write(name, make([]byte, size))
		stop := make(chan struct{})
		var group sync.WaitGroup
		group.Go(func() {
			f, err := os.OpenFile(filepath.Join(b.data, name), os.O_WRONLY, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					_, _ = f.WriteAt([]byte{byte(i)}, int64(i%size))
					runtime.Gosched()
				}
			}
		})
		for deadline := time.Now().Add(5 * time.Second); ; {
			_, err := b.s.Save(context.Background(), SaveOptions{Path: b.data, Fresh: true})
			if fault.KindOf(err) == fault.Conflict && strings.Contains(err.Error(), name+": it changes while it is read") {
				break
			}
			if err != nil || time.Now().After(deadline) { // a save between two writes is a good one
				t.Errorf("%s: %v", name, err)
				break
			}
		}
		close(stop)
		group.Wait()
		left := b.save(object.Digest{})
		to := filepath.Join(b.dir, "to")
		b.mustCheckout(left.Root, to)
		same(t, "restored", listing(t, to), listing(t, b.data))
	}
}

// A sparse file of any size is read in bounded memory and stored in little.
func TestSparseFile(t *testing.T) {
	b := memoryBench(t)
	b.write("sparse", []byte("start"))
	path := filepath.Join(b.data, "sparse")
	const size = 300 << 20
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	var v Saved
	bounded(t, 64<<20, func() { v = b.save(object.Digest{}) })
	if v.Stored > 200<<10 || v.Summary.Bytes != size {
		t.Errorf("%+v", v)
	}
	bounded(t, 64<<20, func() {
		if _, err := b.s.Verify(context.Background(), []object.Digest{v.Root}, false, nil); err != nil {
			t.Error(err)
		}
	})
}

// A context that ends stops everything with its own error, and leaves nothing that is in the way.
func TestInterrupted(t *testing.T) {
	b := memoryBench(t)
	for i := range 40 {
		b.write(filepath.Join("d", string(rune('a'+i))), noiseOf(i, 200<<10))
	}
	v := b.save(object.Digest{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err1 := b.s.Save(ctx, SaveOptions{Path: b.data, Fresh: true})
	_, err2 := b.s.Checkout(ctx, CheckoutOptions{Path: filepath.Join(b.dir, "to"), To: v.Root, Kind: Directory})
	_, err3 := b.s.Verify(ctx, []object.Digest{v.Root}, false, nil)
	_, err4 := b.s.PlanGC(ctx, func(yield func(Root, error) bool) { yield(Root{Digest: v.Root}, nil) })
	for _, err := range []error{err1, err2, err3, err4} {
		if !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Interrupted {
			t.Errorf("%v", err)
		}
	}
	b.save(v.Root)
	b.mustCheckout(v.Root, filepath.Join(b.dir, "to"))
}

func noiseOf(seed, n int) []byte {
	b := make([]byte, n)
	x := uint64(seed)*0x9e3779b97f4a7c15 + 1
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
	return b
}
