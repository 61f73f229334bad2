package remote

import (
	"strings"
	"testing"

	"mlx/internal/bucket/buckettest"
	"mlx/internal/fault"
	"mlx/internal/object"
)

// TestClearObjectInEncryptedRemote: who may write to the bucket has no key, and must not get anything believed.
func TestClearObjectInEncryptedRemote(t *testing.T) {
	d := buckettest.Memory()
	ana := newPerson(t)
	a := newClone(t, d)
	encrypted(a, ana, ana)
	a.note(1)
	a.push()
	r := a.remote()
	if err := r.advance(t.Context()); err != nil {
		t.Fatal(err)
	}
	next := &Entry{V: 1, Seq: r.next(), Prev: r.known.state.Head, Do: DoPush, At: a.clock.now().Format(timeForm), By: "eve", From: r.known.state.Size, Root: r.known.state.Root}
	mustWrite(t, d, logKey(next.Seq), mustEncode(t, next)) // for who knows the head, as one who was removed does
	wantIntegrity(t, a, "an entry in clear")
	// Somebody who has never been here, but is told by mlx.yaml that the remote is encrypted, is not shown a clear one.
	clear := buckettest.Memory()
	eve := newClone(t, clear)
	eve.note(1)
	eve.push()
	b := newClone(t, clear)
	encrypted(b, ana, ana)
	if _, err := b.remote().Sync(t.Context()); fault.KindOf(err) != fault.Conflict || b.size() != 0 {
		t.Errorf("a clear remote in place of an encrypted one: %d records, %v", b.size(), err)
	}
}

func TestSealedObjectInClearRemote(t *testing.T) {
	d := buckettest.Memory()
	ana := newPerson(t)
	a := newClone(t, d)
	a.note(1)
	a.push()
	a.pull()
	other := newClone(t, buckettest.Memory())
	encrypted(other, ana, ana)
	other.note(1)
	other.push()
	for _, key := range []string{keyringKey(0), logKey(0)} {
		mustWrite(t, d, key, mustRead(t, other.driver, key))
	}
	mustWrite(t, d, logKey(2), mustRead(t, other.driver, logKey(1)))
	a.change = func(o *Options) {
		o.Identities = func() ([][]byte, error) { return [][]byte{[]byte(ana.identity + "\n")}, nil }
	}
	wantIntegrity(t, a, "a sealed entry")
}

// TestOlderKeyringIsNoticed: with the keyring from before a removal, new data would be open to who was removed.
func TestOlderKeyringIsNoticed(t *testing.T) {
	d := buckettest.Memory()
	ana, li := newPerson(t), newPerson(t)
	a := newClone(t, d)
	encrypted(a, ana, ana, li)
	a.note(1)
	a.push()
	encrypted(a, ana, ana)
	if changed, err := a.remote().Rekey(t.Context()); err != nil || !changed {
		t.Fatal(changed, err)
	}
	mustDelete(t, d, keyringKey(1))
	a.note(1)
	if _, err := a.remote().Push(t.Context(), PushOptions{}); fault.KindOf(err) != fault.Integrity {
		t.Errorf("a push under the older keyring: %v", err)
	}
	b := newClone(t, d) // has seen nothing, but an entry of the log follows a removal
	encrypted(b, ana, ana)
	wantIntegrity(t, b, "the older keyring, at first sight")
}

// TestKeyringOfAStranger: anybody can wrap a key of his own for somebody whose public key he knows.
func TestKeyringOfAStranger(t *testing.T) {
	d := buckettest.Memory()
	ana := newPerson(t)
	a := newClone(t, d)
	encrypted(a, ana, ana)
	a.note(1)
	a.push()
	a.pull()
	eve := newClone(t, buckettest.Memory())
	encrypted(eve, ana, ana)
	eve.note(1)
	eve.push()
	mustWrite(t, d, keyringKey(0), mustRead(t, eve.driver, keyringKey(0)))
	root := a.save(map[string][]byte{"f": noise(1000)}, object.Digest{})
	before := len(keys(t, d, ""))
	if _, err := a.remote().Push(t.Context(), PushOptions{Roots: []Root{root}}); fault.KindOf(err) != fault.Integrity {
		t.Errorf("a push under a stranger's key: %v", err)
	}
	if after := len(keys(t, d, "")); after != before {
		t.Errorf("%d objects were written under a stranger's key", after-before)
	}
}

// TestKeyChangesWhileOneWorks: a process that has opened the keyring reads what is sealed with a newer key.
func TestKeyChangesWhileOneWorks(t *testing.T) {
	d := buckettest.Memory()
	ana, li := newPerson(t), newPerson(t)
	a, b := newClone(t, d), newClone(t, d)
	encrypted(a, ana, ana, li)
	a.note(1)
	a.push()
	encrypted(b, ana, ana)
	r := b.remote()
	if _, err := r.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	encrypted(a, ana, ana)
	if _, err := a.remote().Rekey(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.note(1)
	a.push()
	if _, err := r.Sync(t.Context()); err != nil || b.size() != 2 {
		t.Errorf("%d records, %v", b.size(), err)
	}
}

// TestSealedObjectsAreBoundToTheirFolder: docs/format/remote.md names the contexts.
func TestSealedObjectsAreBoundToTheirFolder(t *testing.T) {
	for key, want := range map[string]string{
		"packs/" + strings.Repeat("0", 64) + ".pack": "packs", "tables/" + strings.Repeat("0", 64): "tables",
		"records/" + strings.Repeat("0", 64) + ".jsonl.zst": "records", recordFolder: "records", tableFolder: "tables",
		logKey(3): "log/0000000000000003", rollKey(3): "roll/0000000000000003", tailKey: "tail",
	} {
		if got := contextOf(key); got != want {
			t.Errorf("the context of %s is %q", key, got)
		}
	}
}

// TestSwappedObjects: whoever may write to the bucket exchanges what is under two names, all of a kind.
func TestSwappedObjects(t *testing.T) {
	for _, folder := range []string{packFolder, recordFolder, logFolder, tableFolder} {
		d := buckettest.Memory()
		ana := newPerson(t)
		a := newClone(t, d)
		encrypted(a, ana, ana)
		files := [2]map[string][]byte{{"f": noise(50_000)}, {"f": noise(50_000)}}
		var roots [2]Root
		for i := range roots {
			roots[i] = a.save(files[i], object.Digest{})
			a.note(1)
			a.push(roots[i])
		}
		names := keys(t, d, folder)
		one, two := names[len(names)-2], names[len(names)-1]
		x, y := mustRead(t, d, one), mustRead(t, d, two)
		mustWrite(t, d, one, y)
		mustWrite(t, d, two, x)
		b := newClone(t, d)
		encrypted(b, ana, ana)
		r := b.remote()
		_, err := r.Sync(t.Context())
		for _, root := range roots {
			if err == nil {
				_, err = r.Fetch(t.Context(), FetchOptions{Roots: []object.Digest{root.Root}})
			}
		}
		if folder == tableFolder && err == nil { // they are derived: without them all is found as well
			continue
		}
		if fault.KindOf(err) != fault.Integrity {
			t.Errorf("%s: %v", folder, err)
		}
	}
}
