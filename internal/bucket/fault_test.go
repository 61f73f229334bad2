package bucket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"mlx/internal/bucket"
	"mlx/internal/bucket/buckettest"
	"mlx/internal/fault"
)

// filled is a memory with objects a to e of 100 bytes each.
func filled(t *testing.T) bucket.Driver {
	t.Helper()
	m := buckettest.Memory()
	for _, key := range []string{"a", "b", "c", "d", "e"} {
		if err := m.Put(t.Context(), key, bytes.NewReader(noise(100)), 100, false); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// operations are all that a bucket does; each says whether its outcome is right.
var operations = map[string]func(ctx context.Context, b *bucket.Bucket) error{
	"read": func(ctx context.Context, b *bucket.Bucket) error { return same(b.Read(ctx, "a", 100))(noise(100)) },
	"range": func(ctx context.Context, b *bucket.Bucket) error {
		return same(b.ReadRange(ctx, "a", 10, 80))(noise(100)[10:90])
	},
	"size": func(ctx context.Context, b *bucket.Bucket) error {
		n, err := b.Size(ctx, "a")
		if err == nil && n != 100 {
			return errors.New("wrong size")
		}
		return err
	},
	"write": func(ctx context.Context, b *bucket.Bucket) error {
		if err := b.Write(ctx, "w", bytes.NewReader(noise(50)), 50); err != nil {
			return err
		}
		return same(b.Read(ctx, "w", 50))(noise(50))
	},
	"create": func(ctx context.Context, b *bucket.Bucket) error {
		if err := b.Create(ctx, "n", noise(50)); err != nil {
			return err
		}
		return same(b.Read(ctx, "n", 50))(noise(50))
	},
	"list": func(ctx context.Context, b *bucket.Bucket) error {
		var got []string
		for o, err := range b.List(ctx, "") {
			if err != nil {
				return err
			}
			got = append(got, o.Key)
		}
		if !slices.Equal(got, []string{"a", "b", "c", "d", "e"}) {
			return fmt.Errorf("listed %q", got)
		}
		return nil
	},
	"delete": func(ctx context.Context, b *bucket.Bucket) error { return b.Delete(ctx, "e") },
}

func same(got []byte, err error) func(want []byte) error {
	return func(want []byte) error {
		if err == nil && !bytes.Equal(got, want) {
			return errors.New("wrong bytes")
		}
		return err
	}
}

// TestEveryFaultAtEveryCall lets each call of each operation fail in each way, once and always.
func TestEveryFaultAtEveryCall(t *testing.T) {
	faults := map[string]struct {
		fault buckettest.Fault
		kind  fault.Kind // of the error when it happens always
		once  bool       // happening once, it is survived
	}{
		"down":       {buckettest.Fault{Err: buckettest.Down()}, fault.Unavailable, true},
		"busy":       {buckettest.Fault{Err: buckettest.Busy(3 * time.Second)}, fault.Unavailable, true},
		"full":       {buckettest.Fault{Err: buckettest.Full()}, fault.Unavailable, true},
		"denied":     {buckettest.Fault{Err: buckettest.Denied()}, fault.Denied, false},
		"lost reply": {buckettest.Fault{Err: buckettest.Down(), After: true}, fault.Unavailable, true},
	}
	for op, do := range operations {
		for name, f := range faults {
			for call := 1; call <= 2; call++ {
				t.Run(fmt.Sprintf("%s/%s/once at %d", op, name, call), func(t *testing.T) {
					d := buckettest.Faults(filled(t), func(c buckettest.Call) buckettest.Fault {
						if c.N == call {
							return f.fault
						}
						return buckettest.Fault{}
					})
					err := do(t.Context(), bucket.New(d, "mem://x", quick()))
					if d.Calls() < call { // the operation needs fewer calls
						return
					}
					if f.once && err != nil || !f.once && fault.KindOf(err) != f.kind {
						t.Error(err)
					}
				})
			}
			t.Run(op+"/"+name+"/always", func(t *testing.T) {
				d := buckettest.Faults(filled(t), func(buckettest.Call) buckettest.Fault { return f.fault })
				err := do(t.Context(), bucket.New(d, "mem://x", quick()))
				lost := f.fault.After && (op == "create" || op == "read" || op == "range" || op == "size")
				if fault.KindOf(err) != f.kind && !lost {
					t.Errorf("%v, want %s", err, f.kind)
				}
				if want := map[bool]int{true: 6, false: 1}[f.once]; d.Calls() != want && !f.fault.After {
					t.Errorf("%d calls, want %d", d.Calls(), want)
				}
			})
		}
	}
}

// TestResumeAtEveryByte cuts bodies at each byte, twice, politely and not: what arrives is always what was written.
func TestResumeAtEveryByte(t *testing.T) {
	m, want := filled(t), noise(100)
	for cut := int64(1); cut <= 100; cut++ {
		for _, clean := range []bool{false, true} {
			plan := func(c buckettest.Call) buckettest.Fault {
				if c.N <= 2 {
					return buckettest.Fault{Cut: cut, Clean: clean}
				}
				return buckettest.Fault{}
			}
			var got bytes.Buffer
			b := bucket.New(buckettest.Faults(m, plan), "mem://x", quick())
			if err := b.ReadTo(t.Context(), "a", 0, 100, &got); err != nil || !bytes.Equal(got.Bytes(), want) {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			b = bucket.New(buckettest.Faults(m, plan), "mem://x", quick())
			if all, err := b.Read(t.Context(), "a", 100); err != nil || !bytes.Equal(all, want) {
				t.Fatalf("cut at %d: %v", cut, err)
			}
		}
	}
}

// TestOneByteAtATime: a connection that breaks after each byte still brings all of them, since each try is progress.
func TestOneByteAtATime(t *testing.T) {
	d := buckettest.Faults(filled(t), func(buckettest.Call) buckettest.Fault { return buckettest.Fault{Cut: 1} })
	got, err := bucket.New(d, "mem://x", quick()).ReadRange(t.Context(), "a", 0, 100)
	if err != nil || !bytes.Equal(got, noise(100)) || d.Calls() != 100 {
		t.Errorf("%d calls: %v", d.Calls(), err)
	}
}

// shrinking is an object that lies about its size: fewer bytes come than it has.
type shrinking struct{ bucket.Driver }

func (s shrinking) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, int64, error) {
	body, size, err := s.Driver.Get(ctx, key, off, min(n, max(0, 60-off)))
	return body, size, err
}

func TestFewerBytesAreNoSuccess(t *testing.T) {
	got, err := bucket.New(shrinking{filled(t)}, "mem://x", quick()).ReadRange(t.Context(), "a", 0, 100)
	if got != nil || fault.KindOf(err) != fault.Integrity {
		t.Errorf("%d bytes: %v", len(got), err)
	}
}

// TestChangedWhileRead: the rest of another object is never glued to the beginning of this one.
func TestChangedWhileRead(t *testing.T) {
	m := filled(t)
	d := buckettest.Faults(m, nil)
	d.Plan = func(c buckettest.Call) buckettest.Fault {
		if c.N == 1 {
			return buckettest.Fault{Cut: 10}
		}
		if err := m.Put(t.Context(), "a", bytes.NewReader(noise(120)), 120, false); err != nil {
			t.Error(err)
		}
		return buckettest.Fault{}
	}
	if _, err := bucket.New(d, "mem://x", quick()).ReadRange(t.Context(), "a", 0, 100); fault.KindOf(err) != fault.Integrity {
		t.Errorf("want integrity: %v", err)
	}
}

type fullDisk struct{ wrote int }

func (f *fullDisk) Write(p []byte) (int, error) {
	f.wrote += len(p)
	return 0, fault.New(fault.Unavailable, "no space left on device")
}

func TestFullDiskHereIsNotTriedAgain(t *testing.T) {
	d, w := buckettest.Faults(filled(t), nil), &fullDisk{}
	err := bucket.New(d, "mem://x", quick()).ReadTo(t.Context(), "a", 0, 100, w)
	if fault.KindOf(err) != fault.Unavailable || d.Calls() != 1 || w.wrote != 100 {
		t.Errorf("%d calls, %d bytes: %v", d.Calls(), w.wrote, err)
	}
}

func TestCreateAfterLostReply(t *testing.T) {
	lost := func(c buckettest.Call) buckettest.Fault {
		if c.N == 1 {
			return buckettest.Fault{Err: buckettest.Down(), After: true}
		}
		return buckettest.Fault{}
	}
	b := bucket.New(buckettest.Faults(filled(t), lost), "mem://x", quick())
	if err := b.Create(t.Context(), "n", []byte("mine")); err != nil {
		t.Errorf("own bytes: %v", err)
	}
	down := func(c buckettest.Call) buckettest.Fault {
		if c.N == 1 {
			return buckettest.Fault{Err: buckettest.Down()}
		}
		return buckettest.Fault{}
	}
	for _, others := range []int{3, 50, 100} {
		b = bucket.New(buckettest.Faults(filled(t), down), "mem://x", quick())
		if err := b.Create(t.Context(), "a", noise(others)[:others]); others != 100 && !errors.Is(err, fs.ErrExist) {
			t.Errorf("another's bytes: %v", err)
		}
	}
	b = bucket.New(filled(t), "mem://x", quick())
	if err := b.Create(t.Context(), "a", noise(100)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("no reply was lost, so it is another's: %v", err)
	}
}

func TestCancelledWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		d := buckettest.Faults(filled(t), func(buckettest.Call) buckettest.Fault {
			return buckettest.Fault{Err: buckettest.Busy(time.Minute)}
		})
		go func() {
			time.Sleep(5 * time.Second)
			cancel()
		}()
		start := time.Now()
		_, err := bucket.New(d, "mem://x", bucket.Options{}).Read(ctx, "a", 100)
		if fault.KindOf(err) != fault.Interrupted || time.Since(start) != 5*time.Second || d.Calls() != 1 {
			t.Errorf("after %v and %d calls: %v", time.Since(start), d.Calls(), err)
		}
	})
}

func TestPauses(t *testing.T) {
	var pauses []time.Duration
	o := quick()
	o.Wait = func(_ context.Context, d time.Duration) error { pauses = append(pauses, d); return nil }
	d := buckettest.Faults(filled(t), func(c buckettest.Call) buckettest.Fault {
		if c.N == 3 {
			return buckettest.Fault{Err: buckettest.Busy(7 * time.Second)}
		}
		return buckettest.Fault{Err: buckettest.Down()}
	})
	_, _ = bucket.New(d, "mem://x", o).Size(t.Context(), "a")
	ms := time.Millisecond
	if want := []time.Duration{200 * ms, 400 * ms, 7000 * ms, 1600 * ms, 3200 * ms}; !slices.Equal(pauses, want) {
		t.Errorf("pauses %v, want %v", pauses, want)
	}
}

// TestRate: goroutines that share a limit take as long together as one would.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bucket.New(filled(t), "mem://x", bucket.Options{Limit: 100, Now: time.Now})
		start := time.Now()
		done := make(chan error)
		for _, key := range []string{"a", "b", "c", "d"} {
			go func() { done <- b.ReadTo(t.Context(), key, 0, 100, io.Discard) }()
		}
		go func() { done <- b.Write(t.Context(), "n", bytes.NewReader(noise(100)), 100) }()
		for range 5 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(start); took < 4800*time.Millisecond || took > 5200*time.Millisecond {
			t.Errorf("500 bytes at 100 a second took %v", took)
		}
	})
}

// TestListStopsAndGoesOn: a break in the middle yields every key once, and a caller may stop at any time.
func TestListStopsAndGoesOn(t *testing.T) {
	d := buckettest.Faults(filled(t), nil)
	n := 0
	for range bucket.New(d, "mem://x", quick()).List(t.Context(), "") {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 || d.Calls() != 1 {
		t.Errorf("%d keys, %d calls", n, d.Calls())
	}
}
