package bucket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mlx/internal/bucket"
	"mlx/internal/bucket/buckettest"
	"mlx/internal/fault"
)

// noise returns n bytes that are the same in every run.
func noise(n int) []byte {
	r := rand.NewChaCha8([32]byte{byte(n)})
	p := make([]byte, n)
	_, _ = r.Read(p)
	return p
}

// places are a memory and a real folder.
func places(t *testing.T) map[string]*bucket.Bucket {
	t.Helper()
	folder, err := bucket.Open(t.Context(), "file://"+t.TempDir(), bucket.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = folder.Close() })
	return map[string]*bucket.Bucket{"memory": bucket.New(buckettest.Memory(), "mem://test", bucket.Options{}), "folder": folder}
}

func TestWholeBehaviour(t *testing.T) {
	for name, b := range places(t) {
		t.Run(name, func(t *testing.T) { behave(t, b) })
	}
}

// behave holds what every place must do. The interop tests call it for each server.
func behave(t *testing.T, b *bucket.Bucket) {
	ctx := t.Context()
	for _, n := range []int{0, 1, 5, 100_000, 3 << 20} {
		key, data := fmt.Sprintf("packs/%d.pack", n), noise(n)
		if err := b.Write(ctx, key, bytes.NewReader(data), int64(n)); err != nil {
			t.Fatal(err)
		}
		if err := b.Write(ctx, key, bytes.NewReader(data), int64(n)); err != nil {
			t.Fatal("again:", err)
		}
		got, err := b.Read(ctx, key, int64(n))
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("read %d bytes of %d: %v", len(got), n, err)
		}
		if size, err := b.Size(ctx, key); err != nil || size != int64(n) {
			t.Errorf("size %d of %d: %v", size, n, err)
		}
		if n > 1 {
			if _, err := b.Read(ctx, key, int64(n)-1); fault.KindOf(err) != fault.Integrity {
				t.Errorf("more than the limit: %v", err)
			}
			part, err := b.ReadRange(ctx, key, int64(n/3), int64(n/2))
			if err != nil || !bytes.Equal(part, data[n/3:n/3+n/2]) {
				t.Errorf("range of %d: %v", n, err)
			}
		}
		for _, bad := range [][2]int64{{int64(n), 1}, {0, int64(n) + 1}, {int64(n) + 7, 3}, {-1, 1}, {0, -1}} {
			if _, err := b.ReadRange(ctx, key, bad[0], bad[1]); fault.KindOf(err) != fault.Integrity {
				t.Errorf("range %v of %d: %v", bad, n, err)
			}
		}
	}
	absent(t, b)
	created(t, b)
	ordered(t, b)
}

func absent(t *testing.T, b *bucket.Bucket) {
	ctx := t.Context()
	_, err := b.Read(ctx, "packs/none", 10)
	if fault.KindOf(err) != fault.NotFound || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read of nothing: %v", err)
	}
	if _, err := b.Size(ctx, "packs/none"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("size of nothing: %v", err)
	}
	if err := b.Delete(ctx, "packs/none"); err != nil {
		t.Errorf("delete of nothing: %v", err)
	}
}

func created(t *testing.T, b *bucket.Bucket) {
	ctx := t.Context()
	const goroutines = 8
	var won atomic.Int64
	var winner atomic.Int64
	var all sync.WaitGroup
	for i := range goroutines {
		all.Go(func() {
			err := b.Create(ctx, "log/0000000000000007", fmt.Appendf(nil, "entry of %d", i))
			switch {
			case err == nil:
				won.Add(1)
				winner.Store(int64(i))
			case !errors.Is(err, fs.ErrExist) || fault.KindOf(err) != fault.Conflict:
				t.Errorf("create: %v", err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d of %d created the same key", won.Load(), goroutines)
	}
	got, err := b.Read(ctx, "log/0000000000000007", 100)
	if want := fmt.Sprintf("entry of %d", winner.Load()); err != nil || string(got) != want {
		t.Errorf("%q, want %q: %v", got, want, err)
	}
	if err := b.Delete(ctx, "log/0000000000000007"); err != nil {
		t.Error(err)
	}
	if err := b.Create(ctx, "log/0000000000000007", []byte("again")); err != nil {
		t.Errorf("create after delete: %v", err)
	}
}

func ordered(t *testing.T, b *bucket.Bucket) {
	ctx := t.Context()
	// SeaweedFS 4.48 does not list o/b-c beside o/b/c/d, so that pair is for the folder's test alone.
	keys := []string{"o/a", "o/a-b/x", "o/a.b", "o/b/c/d", "o/b/e", "o/ü", "o/z z"}
	for _, key := range keys {
		if err := b.Write(ctx, key, bytes.NewReader([]byte(key)), int64(len(key))); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(keys)
	if got := list(t, b, "o/"); !slices.Equal(got, keys) {
		t.Errorf("listed %q, want %q", got, keys)
	}
	if got := list(t, b, "o/b"); !slices.Equal(got, []string{"o/b/c/d", "o/b/e"}) {
		t.Errorf("listed %q", got)
	}
	if got := list(t, b, "nothing/"); len(got) != 0 {
		t.Errorf("listed %q", got)
	}
	for _, key := range keys {
		if err := b.Delete(ctx, key); err != nil {
			t.Error(err)
		}
	}
	if got := list(t, b, "o/"); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
}

func list(t *testing.T, b *bucket.Bucket, prefix string) []string {
	t.Helper()
	var got []string
	for o, err := range b.List(context.WithoutCancel(t.Context()), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		if o.Modified.IsZero() {
			t.Errorf("%s has no time", o.Key)
		}
		got = append(got, o.Key)
	}
	return got
}
