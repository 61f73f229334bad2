package remote

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"
	"time"

	"mlx/internal/bucket"
	"mlx/internal/bucket/buckettest"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// live names versions that stay.
func live(roots ...Root) func(context.Context) iter.Seq2[snapshot.Root, error] {
	return func(context.Context) iter.Seq2[snapshot.Root, error] {
		return func(yield func(snapshot.Root, error) bool) {
			for _, r := range roots {
				if !yield(snapshot.Root{Digest: r.Root, Why: "wanted by the test"}, nil) {
					return
				}
			}
		}
	}
}

func (c *clone) gc(o GCOptions) GCDone {
	c.t.Helper()
	done, err := c.remote().GC(c.t.Context(), o)
	if err != nil {
		c.t.Fatal(err)
	}
	return done
}

// count counts what a gc did with packs.
func count(d GCDone, do string) int { return len(d.chosen(do)) }

func keys(t *testing.T, d bucket.Driver, prefix string) (out []string) {
	t.Helper()
	err := d.List(t.Context(), prefix, func(key string, _ int64, _ time.Time) bool {
		out = append(out, key)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func one(b byte) map[string][]byte {
	return map[string][]byte{"f": bytes.Repeat([]byte{b, 3, b}, 9000), "g": noise(20_000)}
}

func TestGCTakesWhatNothingNeeds(t *testing.T) {
	d := buckettest.Memory()
	a := newClone(t, d)
	v1, v2 := a.save(one(1), object.Digest{}), a.save(one(2), object.Digest{})
	a.push(v1)
	a.push(v2)
	keep := GCOptions{Live: live(v2)}
	plan, err := a.remote().PlanGC(t.Context(), keep)
	if err != nil || len(plan.chosen(doCondemn)) != 1 || len(keys(t, d, packFolder)) != 2 {
		t.Fatalf("plan %+v, %v", plan, err)
	}
	done := a.gc(keep)
	if count(done, doCondemn) != 1 || done.Roots[0].Stays || !done.Roots[1].Stays || done.After.IsZero() {
		t.Fatalf("first gc: %+v", done)
	}
	for _, step := range []struct {
		pass             time.Duration
		wait, drop, gone int
		objects          int
	}{
		{time.Hour, 1, 0, 0, 2}, {22 * time.Hour, 1, 0, 0, 2}, {2 * time.Hour, 0, 1, 0, 2},
		{29 * 24 * time.Hour, 1, 0, 0, 2}, {25 * time.Hour, 0, 0, 1, 1}, {time.Hour, 0, 0, 0, 1},
	} {
		a.clock.pass(step.pass)
		done := a.gc(keep)
		if count(done, doWait) != step.wait || count(done, doDrop) != step.drop || count(done, doDelete) != step.gone || len(keys(t, d, packFolder)) != step.objects {
			t.Fatalf("after %v: %+v, objects %v", step.pass, done.Packs, keys(t, d, packFolder))
		}
	}
	b := newClone(t, d)
	if r := b.pull(v2); r.Holds(v1.Root) || !r.Holds(v2.Root) {
		t.Error("the log names what is gone")
	}
	if _, err := b.remote().Fetch(t.Context(), FetchOptions{Roots: []object.Digest{v1.Root}}); err == nil {
		t.Error("what was collected can be fetched")
	}
	a.clock.pass(forget)
	a.note(1)
	a.push(v1) // it comes again, under the same names
	newClone(t, d).pull(v1, v2)
}

func TestGCKeeps(t *testing.T) {
	d := buckettest.Memory()
	a := newClone(t, d)
	v1, v2 := a.save(one(1), object.Digest{}), a.save(one(2), object.Digest{})
	a.push(v1)
	a.clock.pass(48 * time.Hour)
	a.push(v2)
	for what, o := range map[string]GCOptions{
		"all of a week": {Within: 7 * 24 * time.Hour}, "two of a path": {KeepLast: 2}, "named": {Live: live(v1, v2)},
		"one of a path and one of a day": {KeepLast: 1, Live: live(v1)},
	} {
		plan, err := a.remote().PlanGC(t.Context(), o)
		if err != nil || len(plan.chosen(doCondemn)) != 0 {
			t.Errorf("%s: %+v, %v", what, plan.Packs, err)
		}
	}
	plan, err := a.remote().PlanGC(t.Context(), GCOptions{Within: 24 * time.Hour})
	if err != nil || len(plan.chosen(doCondemn)) != 1 || plan.Roots[0].Stays {
		t.Errorf("a day: %+v, %v", plan, err)
	}
	plan, err = a.remote().PlanGC(t.Context(), GCOptions{Live: live(v1, v2), Release: []object.Digest{v1.Root}})
	if err != nil || len(plan.chosen(doCondemn)) != 1 || plan.Roots[0].Why != "released by name" {
		t.Errorf("released by name: %+v, %v", plan, err)
	}
	if _, err := a.remote().PlanGC(t.Context(), GCOptions{Release: []object.Digest{object.Sum(nil)}}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("released what is not there: %v", err)
	}
}

// A gc decides again whenever a push was faster, and a push uploads again what a gc has condemned: at every entry that
// either writes, the other one comes first.
func TestGCBesidePush(t *testing.T) {
	for at := range 4 {
		for _, gcFirst := range []bool{false, true} {
			t.Run(fmt.Sprint(at, gcFirst), func(t *testing.T) { gcBesidePush(t, at, gcFirst) })
		}
	}
}

func gcBesidePush(t *testing.T, at int, gcInside bool) {
	d := buckettest.Memory()
	a, b := newClone(t, d), newClone(t, d)
	b.clock = a.clock
	files := one(1)
	v1 := a.save(files, object.Digest{})
	a.push(v1)
	b.pull(v1)
	files["h"] = noise(9000)
	b.note(1)
	v2 := b.save(files, v1.Root) // relies on the pack of v1
	v3 := a.save(one(3), object.Digest{})
	a.push(v3)
	if at > 1 {
		a.gc(GCOptions{Live: live(v3)}) // condemned before
		a.clock.pass(25 * time.Hour)
	}
	if at > 2 {
		a.gc(GCOptions{Live: live(v3)}) // and dropped
		a.clock.pass(31 * 24 * time.Hour)
	}
	gc := func(c *clone) {
		if _, err := c.remote().GC(t.Context(), GCOptions{Live: live(v2, v3)}); err != nil {
			t.Error(err)
		}
	}
	push := func(c *clone) error {
		_, err := c.remote().Push(t.Context(), PushOptions{Roots: []Root{v2}})
		return err
	}
	outer, inner := a, b
	if gcInside {
		outer, inner = b, a
	}
	n, seen, ran := at%2, 0, false
	outer.driver = buckettest.Faults(d, func(c buckettest.Call) buckettest.Fault {
		if c.Op == "create" && strings.HasPrefix(c.Key, logFolder) {
			if seen++; seen == 2+n && !ran || seen == 1 && gcInside && !ran { // the first create of a gc is its probe
				ran = true
				if gcInside {
					gc(inner)
				} else if err := push(inner); err != nil {
					t.Error(err)
				}
			}
		}
		return buckettest.Fault{}
	})
	if gcInside {
		if err := push(outer); err != nil {
			if fault.KindOf(err) != fault.Unavailable {
				t.Fatal(err)
			}
			a.clock.pass(forget + time.Hour) // its pack was just being deleted
			a.note(1)
			a.push()
			if err := push(outer); err != nil {
				t.Fatal(err)
			}
		}
	} else {
		gc(outer)
		if !ran {
			if err := push(inner); err != nil && fault.KindOf(err) != fault.Unavailable {
				t.Fatal(err)
			}
			a.clock.pass(forget + time.Hour)
			a.note(1)
			a.push()
			if err := push(inner); err != nil {
				t.Fatal(err)
			}
		}
	}
	outer.driver = d
	for range 3 { // whatever was condemned goes, or was taken back
		a.clock.pass(31 * 24 * time.Hour)
		gc(a)
	}
	newClone(t, d).pull(v2, v3)
}

func TestGCTakesBack(t *testing.T) {
	d := buckettest.Memory()
	a := newClone(t, d)
	v1 := a.save(one(1), object.Digest{})
	a.push(v1)
	a.gc(GCOptions{})
	a.clock.pass(25 * time.Hour)
	a.push(v1) // pushed again: it was released
	done := a.gc(GCOptions{Within: time.Hour})
	if count(done, doDrop) != 0 || count(done, doKeep) != 1 {
		t.Errorf("%+v", done.Packs)
	}
	newClone(t, d).pull(v1)
}

// A clone whose gc forgot that something was needed has condemned too much: as long as the object is there, the next gc
// takes it back.
func TestGCSpares(t *testing.T) {
	for _, pass := range []time.Duration{time.Hour, 25 * time.Hour} {
		d := buckettest.Memory()
		a := newClone(t, d)
		v1, v2 := a.save(one(1), object.Digest{}), a.save(one(2), object.Digest{})
		a.push(v1)
		a.push(v2)
		r := a.remote()
		if err := r.advance(t.Context()); err != nil {
			t.Fatal(err)
		}
		e := &Entry{Do: DoCondemn, Condemned: []object.Digest{r.known.state.Packs[0].Pack}} // v1 stays named
		if ok, err := r.append(t.Context(), e, nil); !ok || err != nil {
			t.Fatal(ok, err)
		}
		a.clock.pass(pass)
		if done := a.gc(GCOptions{Live: live(v1, v2)}); count(done, doSpare) != 1 || count(done, doKeep) != 1 {
			t.Errorf("%+v", done.Packs)
		}
		newClone(t, d).pull(v1, v2)
	}
}

func TestGCRewrites(t *testing.T) {
	d := buckettest.Memory()
	a, far := newClone(t, d), newClone(t, d)
	far.clock = a.clock
	files := map[string][]byte{"keep": noise(300_000), "big": noise(900_000)}
	v1 := a.save(files, object.Digest{})
	files["keep2"] = append([]byte("changed"), files["keep"]...) // deltas against keep
	delete(files, "big")
	v2 := a.save(files, v1.Root)
	a.push(v1, v2)
	before := keys(t, d, packFolder)
	done := far.gc(GCOptions{Live: live(v2), Large: 1}) // by a clone that has none of it
	if count(done, doRewrite) == 0 {
		t.Fatalf("%+v", done.Packs)
	}
	for range 2 {
		a.clock.pass(31 * 24 * time.Hour)
		far.gc(GCOptions{Live: live(v2), Large: 1})
	}
	after := keys(t, d, packFolder)
	for _, k := range before {
		for _, n := range after {
			if k == n && strings.Contains(fmt.Sprint(done.chosen(doRewrite)), k[len(packFolder):len(packFolder)+64]) {
				t.Errorf("%s is still there", k)
			}
		}
	}
	newClone(t, d).pull(v2)
}

func TestGCOrphans(t *testing.T) {
	d := buckettest.Memory()
	a := newClone(t, d)
	a.clock.t = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) // as the objects
	v1 := a.save(one(1), object.Digest{})
	a.push(v1)
	orphan := packFolder + object.Sum([]byte("x")).Hex() + packSuffix
	mustWrite(t, d, orphan, []byte("left by a push that was killed"))
	mustWrite(t, d, packFolder+"README", []byte("not ours"))
	o := GCOptions{Live: live(v1)}
	if done := a.gc(o); count(done, doCondemn) != 0 {
		t.Errorf("a young object was condemned: %+v", done.Packs)
	}
	a.clock.pass(8 * 24 * time.Hour)
	if done := a.gc(o); count(done, doCondemn) != 1 {
		t.Errorf("an old object stays: %+v", done.Packs)
	}
	a.clock.pass(25 * time.Hour)
	a.gc(o)
	a.clock.pass(31 * 24 * time.Hour)
	a.gc(o)
	if left := strings.Join(keys(t, d, packFolder), " "); strings.Contains(left, orphan) || !strings.Contains(left, "README") || len(strings.Fields(left)) != 2 {
		t.Errorf("left: %s", left)
	}
	newClone(t, d).pull(v1)
}

// careless is a place that creates what is there already.
type careless struct{ bucket.Driver }

func (c careless) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, _ bool) error {
	return c.Driver.Put(ctx, key, body, size, false)
}

func TestGCNeedsConditionalCreate(t *testing.T) {
	d := buckettest.Memory()
	a := newClone(t, careless{d})
	v1 := a.save(one(1), object.Digest{})
	a.push(v1)
	if _, err := a.remote().GC(t.Context(), GCOptions{}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("gc: %v", err)
	}
	newClone(t, d).pull(v1)
}

func TestGCReportsWhatCannotBeDeleted(t *testing.T) {
	d := buckettest.Memory()
	a := newClone(t, d)
	v1 := a.save(one(1), object.Digest{})
	a.push(v1)
	for _, pass := range []time.Duration{0, 25 * time.Hour} {
		a.clock.pass(pass)
		a.gc(GCOptions{})
	}
	a.clock.pass(31 * 24 * time.Hour)
	a.driver = buckettest.Faults(d, func(c buckettest.Call) buckettest.Fault {
		if c.Op == "delete" && strings.HasPrefix(c.Key, packFolder) {
			return buckettest.Fault{Err: buckettest.Denied()}
		}
		return buckettest.Fault{}
	})
	done := a.gc(GCOptions{})
	if len(done.Failed) != 1 || fault.KindOf(done.Failed[0].Cause) != fault.Denied {
		t.Fatalf("%+v", done.Failed)
	}
	a.driver = d
	done = a.gc(GCOptions{})
	if len(done.Failed) != 0 || len(keys(t, d, packFolder)) != 0 {
		t.Errorf("%+v, left %v", done.Failed, keys(t, d, packFolder))
	}
}
