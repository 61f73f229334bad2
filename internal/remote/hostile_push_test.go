package remote

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"mlx/internal/bucket"
	"mlx/internal/bucket/buckettest"
	"mlx/internal/fault"
	"mlx/internal/object"
)

// blind is a place that may not be listed and, with loses, says that it has taken packs which it has not.
type blind struct {
	bucket.Driver
	loses bool
}

func (d blind) List(context.Context, string, func(string, int64, time.Time) bool) error {
	return buckettest.Denied()
}

func (d blind) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, absent bool) error {
	if d.loses && strings.HasPrefix(key, packFolder) {
		return nil
	}
	return d.Driver.Put(ctx, key, body, size, absent)
}

// TestPushProvesWithoutListing: what is asked for is looked at one by one.
func TestPushProvesWithoutListing(t *testing.T) {
	for _, loses := range []bool{false, true} {
		a := newClone(t, blind{buckettest.Memory(), loses})
		root := a.save(map[string][]byte{"f": noise(1000)}, object.Digest{})
		a.note(1)
		_, err := a.remote().Push(t.Context(), PushOptions{Roots: []Root{root}})
		if loses && fault.KindOf(err) != fault.Integrity || !loses && err != nil {
			t.Errorf("a place that loses packs is %v: %v", loses, err)
		}
		if !loses {
			b := newClone(t, a.driver)
			b.pull(root)
			a.note(1)
			a.push(root)
			if b.pull(); b.size() != 2 {
				t.Errorf("%d records", b.size())
			}
		}
	}
}

// TestStoppedFetchIsNotDamage: what did not come because the user gave up must not read as a log that lies.
func TestStoppedFetchIsNotDamage(t *testing.T) {
	d := buckettest.Memory()
	a := newClone(t, d)
	for range 8 {
		a.note(1)
		a.push()
	}
	for n := 1; n < 14; n++ {
		ctx, cancel := context.WithCancel(t.Context())
		b := newClone(t, buckettest.Faults(d, func(c buckettest.Call) buckettest.Fault {
			if c.N == n {
				cancel()
			}
			return buckettest.Fault{}
		}))
		if _, err := b.remote().Sync(ctx); fault.KindOf(err) == fault.Integrity {
			t.Errorf("stopped at call %d: %v", n, err)
		}
		cancel()
		if b.pull(); b.size() != 8 {
			t.Errorf("stopped at call %d: %d records", n, b.size())
		}
	}
}

// TestSameVersionPushedTwiceAtOnce: the version that two push at once is named by one entry, and the records of both come.
func TestSameVersionPushedTwiceAtOnce(t *testing.T) {
	d := buckettest.Memory()
	a, b := newClone(t, d), newClone(t, d)
	files := map[string][]byte{"f": []byte("the same")}
	base := a.save(map[string][]byte{"f": []byte("before")}, object.Digest{})
	a.push(base)
	b.pull(base)
	root := a.save(files, base.Root)
	if other := b.save(files, base.Root); other != root {
		t.Fatal("two versions of the same files")
	}
	a.note(1)
	b.note(1)
	done := false
	slow := newClone(t, buckettest.Faults(d, func(c buckettest.Call) buckettest.Fault {
		if c.Op == "create" && !done {
			done = true
			b.push(root)
		}
		return buckettest.Fault{}
	}))
	slow.store, slow.ledger, slow.dir = a.store, a.ledger, a.dir
	if p := slow.push(root); p.Roots != 0 || p.Records != 1 {
		t.Errorf("pushed %+v", p)
	}
	if b.pull(); b.size() != 2 {
		t.Errorf("%d records", b.size())
	}
}

// TestTablesAreNoMoreThanAHelp: they are derived, so neither a pull nor a push needs them.
func TestTablesAreNoMoreThanAHelp(t *testing.T) {
	for what, harm := range map[string]func(bucket.Driver, string){
		"gone":    func(d bucket.Driver, key string) { mustDelete(t, d, key) },
		"damaged": func(d bucket.Driver, key string) { mustWrite(t, d, key, noise(len(mustRead(t, d, key)))) },
	} {
		d := buckettest.Memory()
		a := newClone(t, d)
		root := a.save(map[string][]byte{"f": noise(100_000)}, object.Digest{})
		a.push(root)
		for _, key := range keys(t, d, tableFolder) {
			harm(d, key)
		}
		b := newClone(t, d)
		b.pull(root)
		next := b.save(map[string][]byte{"f": noise(100_000)}, object.Digest{})
		if _, err := b.remote().Push(t.Context(), PushOptions{Roots: []Root{next}}); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		newClone(t, d).pull(root, next)
	}
}
