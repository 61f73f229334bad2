package remote

import (
	"testing"
	"time"

	"mlx/internal/bucket/buckettest"
	"mlx/internal/object"
)

// A gc, a verification, a repair and an erasure work on a remote that is encrypted.
func TestCareOfAnEncryptedRemote(t *testing.T) {
	d := buckettest.Memory()
	ana := newPerson(t)
	a, b := newClone(t, d), newClone(t, d)
	for _, c := range []*clone{a, b} {
		encrypted(c, ana, ana)
	}
	secret := noise(80_000)
	v1 := a.save(map[string][]byte{"secret": secret, "other": noise(50_000)}, object.Digest{})
	v2 := a.save(map[string][]byte{"f": noise(40_000)}, object.Digest{})
	v3 := a.save(map[string][]byte{"g": noise(40_000)}, object.Digest{})
	for _, v := range []Root{v1, v2, v3} {
		a.note(1)
		a.push(v)
	}
	b.pull(v1, v2)
	keep := GCOptions{Live: live(v1, v2), Large: 1}
	for range 3 {
		a.gc(keep)
		a.clock.pass(31 * 24 * time.Hour)
	}
	if n := len(keys(t, d, packFolder)); n != 2 {
		t.Errorf("%d packs are left", n)
	}
	if v := a.verify(VerifyOptions{}); !v.Clean() {
		t.Errorf("%+v", v.Damage)
	}
	key := keys(t, d, packFolder)[0]
	body := mustReadAll(t, d, key)
	body[len(body)/2] ^= 1
	mustWrite(t, d, key, body)
	v := a.verify(VerifyOptions{})
	if v.Clean() {
		t.Fatal("a flipped bit was not found")
	}
	if err := a.remote().Repair(t.Context(), v); err != nil || !v.Clean() {
		t.Fatalf("%v, %+v", err, v.Damage)
	}
	if _, err := a.erase("secret", []Root{v2}, v1); err != nil {
		t.Fatal(err)
	}
	if _, err := b.remote().Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]*clone{"a": a, "b": b} {
		if ok, err := c.store.Contains(t.Context(), secret[:500]); ok || err != nil {
			t.Errorf("%s still has it, %v", what, err)
		}
	}
	if v := b.verify(VerifyOptions{}); !v.Clean() {
		t.Errorf("%+v", v.Damage)
	}
	fresh := newClone(t, d)
	encrypted(fresh, ana, ana)
	fresh.pull(v2)
	got, err := fresh.remote().Fetch(t.Context(), FetchOptions{Roots: []object.Digest{v1.Root}})
	if err != nil || got.Erased == 0 {
		t.Errorf("what is left of a version: %+v, %v", got, err)
	}
	if ok, err := fresh.store.Contains(t.Context(), secret[:500]); ok || err != nil {
		t.Errorf("it came back, %v", err)
	}
}
