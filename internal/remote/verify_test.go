package remote

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"mlx/internal/bucket"
	"mlx/internal/bucket/buckettest"
	"mlx/internal/object"
)

func (c *clone) verify(o VerifyOptions) *VerifyReport {
	c.t.Helper()
	v, err := c.remote().Verify(c.t.Context(), o)
	if err != nil {
		c.t.Fatal(err)
	}
	return v
}

// grown is a remote with everything in it: two versions with deltas, records, tables and a roll.
func grown(t *testing.T) (bucket.Driver, *clone, []Root) {
	t.Helper()
	d := buckettest.Memory()
	a := newClone(t, d)
	a.note(40)
	files := map[string][]byte{"big": noise(400_000), "text": bytes.Repeat([]byte("a line of text\n"), 3000), "small": []byte("s")}
	v1 := a.save(files, object.Digest{})
	a.push(v1)
	files["big"] = append(bytes.Clone(files["big"][:399_000]), "changed"...)
	a.note(40)
	v2 := a.save(files, v1.Root)
	a.push(v2)
	for range 5 {
		a.note(1)
		r := a.remote()
		r.rollEvery = 4
		if _, err := r.Push(t.Context(), PushOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if len(keys(t, d, rollFolder)) == 0 || len(keys(t, d, tableFolder)) == 0 {
		t.Fatal("no roll or no table")
	}
	return d, a, []Root{v1, v2}
}

func TestVerifyFindsNothingWhereNothingIsWrong(t *testing.T) {
	d, a, roots := grown(t)
	v := a.verify(VerifyOptions{})
	if !v.Clean() || v.Records != a.size() || v.Entries == 0 || v.Packs != 2 || v.Share != 1 {
		t.Errorf("%+v", v)
	}
	b := newClone(t, d) // one that has none of the data
	if v := b.verify(VerifyOptions{}); !v.Clean() {
		t.Errorf("%+v", v)
	}
	b.pull(roots...)
	sampled := a.verify(VerifyOptions{Sample: func() bool { return false }})
	if !sampled.Clean() || sampled.Share >= 1 {
		t.Errorf("%+v", sampled)
	}
}

// A byte that is wrong, or an object that is missing, is found wherever it is, and repaired where the log still stands.
func TestVerifyFindsEveryDamage(t *testing.T) {
	for _, kind := range []string{logFolder, rollFolder, tailKey, packFolder, tableFolder, recordFolder} {
		for _, harm := range []string{"first byte", "a byte", "last byte", "cut", "gone"} {
			t.Run(kind+" "+harm, func(t *testing.T) { findDamage(t, kind, harm) })
		}
	}
}

func findDamage(t *testing.T, kind, harm string) {
	d, a, roots := grown(t)
	list := keys(t, d, kind)
	if kind == tableFolder { // only the tables that count
		r := a.remote()
		list = nil
		for _, k := range r.known.state.Tables {
			list = append(list, k.key())
		}
	}
	key := list[len(list)/2]
	b := mustRead(t, d, key)
	switch harm {
	case "first byte":
		b[0] ^= 1
	case "a byte":
		b[len(b)/2] ^= 1
	case "last byte":
		b[len(b)-1] ^= 1
	case "cut":
		b = b[:len(b)-7]
	case "gone":
		b = nil
	}
	if mustDelete(t, d, key); b != nil {
		mustWrite(t, d, key, b)
	}
	v := a.verify(VerifyOptions{})
	derived := kind == rollFolder || kind == tailKey
	if derived && (harm == "gone" || kind == tailKey && harm == "last byte") {
		return // nobody misses it
	}
	if v.Clean() || !strings.Contains(v.Damage[0].Object, strings.TrimSuffix(kind, "/")) {
		t.Fatalf("%s: %+v", key, v.Damage)
	}
	if kind == packFolder && !slices.ContainsFunc(v.Damage, func(d Damage) bool { return len(d.Hurts) > 0 }) {
		t.Errorf("it hurts nothing: %+v", v.Damage)
	}
	r := a.remote()
	err := r.Repair(t.Context(), v)
	if kind == logFolder {
		if err == nil {
			t.Error("a damaged log was repaired")
		}
		return
	}
	if err != nil || !v.Clean() || v.Repaired == 0 {
		t.Fatalf("repair: %v, %+v", err, v)
	}
	if again := a.verify(VerifyOptions{}); !again.Clean() {
		t.Errorf("after the repair: %+v", again.Damage)
	}
	newClone(t, d).pull(roots...)
}

func TestRepairNeedsGoodCopies(t *testing.T) {
	d, a, roots := grown(t)
	for _, key := range keys(t, d, packFolder) {
		mustDelete(t, d, key)
	}
	b := newClone(t, d)
	v := b.verify(VerifyOptions{})
	if v.Clean() {
		t.Fatal("nothing is missing?")
	}
	if err := b.remote().Repair(t.Context(), v); err != nil || v.Clean() {
		t.Errorf("repaired out of nothing: %v", err)
	}
	v = a.verify(VerifyOptions{})
	if err := a.remote().Repair(t.Context(), v); err != nil || !v.Clean() {
		t.Fatalf("%v, %+v", err, v.Damage)
	}
	b.pull(roots...)
}
