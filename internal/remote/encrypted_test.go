package remote

import (
	"bytes"
	"testing"
	"time"

	"filippo.io/age"

	"mlx/internal/bucket"
	"mlx/internal/bucket/buckettest"
	"mlx/internal/fault"
	"mlx/internal/object"
)

// person is somebody with a key.
type person struct{ recipient, identity string }

func newPerson(t *testing.T) person {
	t.Helper()
	k, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return person{k.Recipient().String(), k.String()}
}

// encrypted makes a clone use a remote that is for some people, as one of them.
func encrypted(c *clone, as person, all ...person) {
	c.change = func(o *Options) {
		o.Recipients = nil
		for _, p := range all {
			o.Recipients = append(o.Recipients, p.recipient)
		}
		o.Identities = func() ([][]byte, error) { return [][]byte{[]byte(as.identity + "\n")}, nil }
	}
}

// contents returns the bytes of every object.
func contents(t *testing.T, d bucket.Driver) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := d.List(t.Context(), "", func(key string, _ int64, _ time.Time) bool {
		all[key] = nil
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	for key := range all {
		all[key] = mustRead(t, d, key)
	}
	return all
}

func TestEncryptedRemote(t *testing.T) {
	d := buckettest.Memory()
	ana, li, eve := newPerson(t), newPerson(t), newPerson(t)
	a, b, e := newClone(t, d), newClone(t, d), newClone(t, d)
	encrypted(a, ana, ana, li)
	encrypted(b, li, ana, li)
	encrypted(e, eve)
	secret := bytes.Repeat([]byte("a secret sentence. "), 30_000)
	root := a.save(map[string][]byte{"in/secret.txt": secret, "noise": noise(700_000)}, object.Digest{})
	a.note(2)
	a.push(root)
	second := a.save(map[string][]byte{"in/more.txt": secret[1:]}, root.Root)
	a.note(2)
	a.push(second) // a new process that has read nothing sealed yet
	b.pull(root, second)
	if b.size() != 4 {
		t.Errorf("%d records", b.size())
	}
	for key, body := range contents(t, d) {
		for _, clear := range [][]byte{[]byte("secret sentence"), []byte("secret.txt"), []byte("note 1"), root.Root[:], []byte(root.Root.Hex())} {
			if bytes.Contains(body, clear) {
				t.Errorf("%s holds %q in clear", key, clear)
			}
		}
	}
	if _, err := e.remote().Sync(t.Context()); fault.KindOf(err) != fault.Denied {
		t.Errorf("somebody without a key: %v", err)
	}
	// The same content pushed by the other one gives the same objects: nothing is sent twice.
	before := len(contents(t, d))
	if p := b.push(root); p.Packs != 0 || len(contents(t, d)) != before {
		t.Errorf("pushed again: %+v", p)
	}
}

func TestClearRemoteIsNotTakenForEncrypted(t *testing.T) {
	d := buckettest.Memory()
	ana := newPerson(t)
	a := newClone(t, d)
	a.note(1)
	a.push()
	encrypted(a, ana, ana)
	a.note(1)
	if _, err := a.remote().Push(t.Context(), PushOptions{}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("push: %v", err)
	}
}

func TestRemovedRecipientCannotReadWhatIsNew(t *testing.T) {
	d := buckettest.Memory()
	ana, li := newPerson(t), newPerson(t)
	a, b := newClone(t, d), newClone(t, d)
	encrypted(a, ana, ana, li)
	encrypted(b, li, ana, li)
	a.note(1)
	a.push()
	b.pull()
	encrypted(a, ana, ana)
	if changed, err := a.remote().Rekey(t.Context()); err != nil || !changed {
		t.Fatalf("rekey: %v, %v", changed, err)
	}
	if changed, err := a.remote().Rekey(t.Context()); err != nil || changed {
		t.Fatalf("rekey again: %v, %v", changed, err)
	}
	a.note(1)
	a.push()
	if _, err := b.remote().Sync(t.Context()); err == nil || b.size() != 1 {
		t.Errorf("who was removed still reads: %d records, %v", b.size(), err)
	}
	encrypted(a, ana, ana, li)
	if _, err := a.remote().Rekey(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b.pull(); b.size() != 2 {
		t.Errorf("who was added again has %d records", b.size())
	}
}
