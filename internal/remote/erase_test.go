package remote

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"mlx/internal/bucket"
	"mlx/internal/bucket/buckettest"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// erase does what mlx erase does: tells what goes, removes it here, says so, and removes it at the remote.
func (c *clone) erase(inside string, others []Root, roots ...Root) (EraseReport, error) {
	c.t.Helper()
	ctx := c.t.Context()
	r := c.remote()
	if _, err := r.Sync(ctx); err != nil {
		return EraseReport{}, err
	}
	if err := r.FetchTrees(ctx); err != nil {
		return EraseReport{}, err
	}
	var ids []object.Digest
	for _, root := range roots {
		ids = append(ids, root.Root)
	}
	plan, err := c.store.PlanErase(ctx, ids, inside, live(others...)(ctx))
	if err != nil {
		return EraseReport{}, err
	}
	if err := r.PrepareErase(ctx, plan.IDs); err != nil {
		return EraseReport{}, err
	}
	if err := c.store.ApplyErase(ctx, plan); err != nil {
		return EraseReport{}, err
	}
	body := Erased{Roots: ids, Path: inside, Basis: "asked to", Objects: plan.Objects, Bytes: plan.Bytes, Gone: plan.IDs, Remotes: []string{"team"}}
	if _, err := RecordErasure(ctx, c.ledger, body, nil); err != nil {
		return EraseReport{}, err
	}
	return r.ApplyErasures(ctx)
}

// holds says whether the chunks of any pack of a store, or of a remote, hold some bytes when they are decoded.
func (c *clone) decoded(t *testing.T, d bucket.Driver, secret []byte) (found []string) {
	t.Helper()
	ctx := t.Context()
	far := newClone(t, d)
	r := far.remote()
	if err := r.advance(ctx); err != nil {
		t.Fatal(err)
	}
	for _, h := range r.known.state.Roots { // what can be had of the remote by its log
		got, err := far.store.Fetch(ctx, snapshot.FetchOptions{Roots: []object.Digest{h.Root.Root}, From: mustOpen(t, r), Read: r.reader(r.known.state.readable())})
		if err != nil {
			continue
		}
		_ = got.Release()
	}
	for what, s := range map[string]*snapshot.Store{"remote": far.store, "clone": c.store} {
		ok, err := s.Contains(ctx, secret)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			found = append(found, what)
		}
	}
	for _, key := range keys(t, d, "") { // and in the bytes: the secret cannot be compressed
		if b := mustReadAll(t, d, key); bytes.Contains(b, secret) {
			found = append(found, key)
		}
	}
	return found
}

func mustOpen(t *testing.T, r *Remote) *snapshot.Catalog {
	t.Helper()
	c, err := r.open(t.Context(), r.known.state.readable(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mustReadAll(t *testing.T, d bucket.Driver, key string) []byte {
	t.Helper()
	b, err := bucket.New(d, "test://x", bucket.Options{}).Read(t.Context(), key, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestErase(t *testing.T) {
	d := buckettest.Memory()
	a, b := newClone(t, d), newClone(t, d)
	secret, shared := noise(90_000), noise(200_000)
	files := map[string][]byte{"secret": secret, "shared": shared, "text": []byte("hello\n")}
	v1 := a.save(files, object.Digest{})
	delete(files, "secret")
	files["more"] = noise(1000)
	v2 := a.save(files, v1.Root)
	a.push(v1, v2)
	b.pull(v1, v2)
	if found := b.decoded(t, d, secret[:1000]); len(found) < 3 { // remote, clone and an object
		t.Fatalf("before, it is only in %v", found)
	}
	done, err := a.erase("", []Root{v2}, v1)
	if err != nil || done.Packs == 0 || done.Released != 1 || done.Records != 1 || len(done.Failed) != 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	if found := a.decoded(t, d, secret[:1000]); found != nil {
		t.Errorf("still in %v", found)
	}
	b.pull(v2)
	if found := b.decoded(t, d, secret[:1000]); found != nil {
		t.Errorf("after the pull still in %v", found)
	}
	r := b.remote()
	if _, err := r.Fetch(t.Context(), FetchOptions{Roots: []object.Digest{v1.Root}}); err == nil || !strings.Contains(err.Error(), "was erased on 2026-11-25 by ana: asked to") {
		t.Errorf("fetched: %v", err)
	}
	newClone(t, d).pull(v2)
	if v := b.verify(VerifyOptions{}); !v.Clean() {
		t.Errorf("%+v", v.Damage)
	}
	if done, err := b.remote().ApplyErasures(t.Context()); err != nil || done.Packs+done.Released+done.Records != 0 {
		t.Errorf("again: %+v, %v", done, err)
	}
}

func TestErasePath(t *testing.T) {
	d := buckettest.Memory()
	a, b := newClone(t, d), newClone(t, d)
	secret := noise(90_000)
	v1 := a.save(map[string][]byte{"in/secret": secret, "other": noise(50_000)}, object.Digest{})
	a.push(v1)
	b.pull(v1)
	if _, err := a.erase("in/secret", nil, v1); err != nil {
		t.Fatal(err)
	}
	b.remote()
	if _, err := b.remote().Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found := b.decoded(t, d, secret[:1000]); found != nil {
		t.Errorf("still in %v", found)
	}
	tree, err := b.store.FS(t.Context(), v1.Root)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := fs.ReadFile(tree, "other"); err != nil || len(got) != 50_000 {
		t.Errorf("the rest: %d bytes, %v", len(got), err)
	}
	if v := a.verify(VerifyOptions{}); !v.Clean() {
		t.Errorf("%+v", v.Damage)
	}
	a.gc(GCOptions{Live: live(v1)})
}

// Two clones pull and one that is behind pushes while content is erased, at every entry of the log. Afterwards it is
// nowhere at the remote, and in no clone after its next pull.
func TestEraseRaces(t *testing.T) {
	for at := range 3 {
		for _, mode := range []string{"same version", "a version that shares it", "side by side"} {
			t.Run(fmt.Sprint(mode, at), func(t *testing.T) { eraseRace(t, at, mode) })
		}
	}
}

func eraseRace(t *testing.T, at int, mode string) {
	d := buckettest.Memory()
	a, b, c, old := newClone(t, d), newClone(t, d), newClone(t, d), newClone(t, d)
	secret := noise(90_000)
	files := map[string][]byte{"secret": secret, "other": noise(120_000)}
	v1 := a.save(files, object.Digest{})
	keep := a.save(map[string][]byte{"other": files["other"]}, object.Digest{})
	a.push(v1, keep)
	for _, k := range []*clone{b, c, old} {
		k.pull(v1, keep)
	}
	ask := []Root{v1}
	if mode != "same version" {
		files["third"] = noise(3000)
		ask = append(ask, old.save(files, v1.Root))
	}
	old.note(1)
	push := func() {
		_, err := old.remote().Push(context.Background(), PushOptions{Roots: ask})
		if kind := fault.KindOf(err); err != nil && kind != fault.Conflict && kind != fault.NotFound {
			t.Errorf("push: %v", err)
		}
	}
	pull := func(k *clone) {
		r := k.remote()
		if _, err := r.Sync(context.Background()); err != nil {
			t.Errorf("pull: %v", err)
			return
		}
		if got, err := r.Fetch(context.Background(), FetchOptions{Roots: []object.Digest{v1.Root}}); err == nil {
			_ = got.Release()
		}
	}
	erase := func() {
		if _, err := a.erase("", []Root{keep}, v1); err != nil {
			t.Errorf("erase: %v", err)
		}
	}
	if mode == "side by side" {
		var all sync.WaitGroup
		for _, do := range []func(){erase, push, func() { pull(b) }, func() { pull(c) }} {
			all.Go(do)
		}
		all.Wait()
	} else {
		n, ran := 0, false
		hook := func(outer *clone, inner func()) {
			outer.driver = buckettest.Faults(d, func(k buckettest.Call) buckettest.Fault {
				if k.Op == "create" || k.Op == "delete" && strings.HasPrefix(k.Key, packFolder) {
					if n++; n == 1+at%2 && !ran {
						ran = true
						inner()
					}
				}
				return buckettest.Fault{}
			})
		}
		if at < 2 { // the old clone pushes just before the erasure is entered, or before its packs are deleted
			hook(a, func() { pull(b); push(); pull(c) })
			erase()
		} else { // the erasure comes between the old clone's upload and its entry
			hook(old, func() { pull(b); erase(); pull(c) })
			n = -at % 2
			push()
		}
		a.driver, old.driver = d, d
	}
	if _, err := a.remote().ApplyErasures(t.Context()); err != nil { // as the next push or erase does
		t.Fatal(err)
	}
	for i, k := range []*clone{a, b, c, old} {
		k.clock.pass(time.Hour)
		if _, err := k.remote().Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if found := k.decoded(t, d, secret[:1000]); found != nil {
			t.Errorf("clone %d: still in %v", i, found)
		}
		k.pull(keep)
	}
}
