package lineage

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"mlx/internal/fault"
	"mlx/internal/lineage/internal/segment"
	"mlx/internal/object"
)

const secret = "correct-horse-battery-staple"

func addSecret(t testing.TB, l *Ledger, prev ...object.Digest) Record {
	t.Helper()
	r, err := runKind().Append(t.Context(), l, Entry[runBody]{Body: runBody{Name: secret}, Prev: prev})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// keyed returns a ledger that trusts a key.
func keyed(t *testing.T) (l *Ledger, private []byte, k Key) {
	t.Helper()
	private, public := newKey(t)
	l = fresh(t)
	k, err := l.AddKey(t.Context(), public, "ana")
	if err != nil {
		t.Fatal(err)
	}
	return l, private, k
}

// leaks returns the files under dir in which the secret can be read, as it is or inside zstd.
func leaks(t *testing.T, dir string) (found []string) {
	t.Helper()
	dec, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		plain, err := dec.DecodeAll(b, nil)
		if strings.HasSuffix(path, packSuffix) && err != nil {
			return err
		}
		if bytes.Contains(b, []byte(secret)) || bytes.Contains(plain, []byte(secret)) {
			found = append(found, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func clean(t *testing.T, l *Ledger) {
	t.Helper()
	if left := leaks(t, l.opts.Dir); len(left) > 0 {
		t.Errorf("the secret is still in %v", left)
	}
	if r := verified(t, l); !r.OK() || len(r.Notes) > 0 {
		t.Errorf("%+v", r)
	}
}

func TestRedact(t *testing.T) {
	l, private, _ := keyed(t)
	addRuns(t, l, 20)
	first := addSecret(t, l)
	second := addSecret(t, l, first.ID)
	next := addRuns(t, l, 1)[0]
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	before, root, err := l.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	proof, err := l.Prove(t.Context(), second.ID)
	if err != nil || VerifyProof(proof) != nil {
		t.Fatal(err)
	}
	for _, r := range []Record{second, first} {
		done, err := l.Redact(t.Context(), r.ID, "asked for by "+r.ID.Short(), private, nil)
		if err != nil || !redactedKind().Is(done) {
			t.Fatal(err)
		}
		again, err := l.Redact(t.Context(), r.ID, "once more", private, nil)
		if err != nil || again.ID != done.ID {
			t.Fatal(again, err)
		}
	}
	clean(t, l)
	for _, l := range []*Ledger{l, open(t, l.opts.Dir)} {
		_, err := l.Get(t.Context(), second.ID)
		if fault.KindOf(err) != fault.NotFound || !strings.Contains(err.Error(), "was redacted by ana on 2026-11-23: asked for by") {
			t.Error(err)
		}
		if got := selected(t, l, Query{Nouns: []string{"run"}}); len(got) != 21 || got[0].ID != next.ID {
			t.Errorf("%d runs", len(got))
		}
		if n, err := l.Count(t.Context(), Query{All: true, Where: "not (name == 'x')"}); n != 24 || err != nil { // key, 21 runs, 2 redactions
			t.Error(n, err)
		}
		if has, err := l.Has(t.Context(), first.ID); !has || err != nil {
			t.Error(has, err)
		}
	}
	growth, err := l.ProveGrowth(t.Context(), before)
	if err != nil || VerifyGrowth(growth) != nil || growth.OldRoot != root || proof.Root != root {
		t.Error(err)
	}
	set, err := l.Redacted(t.Context())
	if err != nil || len(set) != 2 || set[first.ID].By != "ana" {
		t.Error(set, err)
	}
}

// A value that was superseded does not count again because the record that superseded it is gone.
func TestRedactedStillSupersedes(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		l, private, _ := keyed(t)
		old := addRuns(t, l, 1)[0]
		if sealed {
			if err := l.Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		r := addSecret(t, l, old.ID)
		if _, err := l.Redact(t.Context(), r.ID, "why", private, nil); err != nil {
			t.Fatal(err)
		}
		if now, err := l.Current(t.Context(), "run", ""); len(now) != 0 || err != nil {
			t.Error(sealed, now, err)
		}
	}
}

func TestRedactRefuses(t *testing.T) {
	l, private, k := keyed(t)
	r := addSecret(t, l)
	stranger, _ := newKey(t)
	if _, err := l.Redact(t.Context(), r.ID, "why", stranger, nil); fault.KindOf(err) != fault.Denied {
		t.Error(err)
	}
	if _, err := l.Redact(t.Context(), object.Sum(nil), "why", private, nil); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
	done, err := l.Redact(t.Context(), r.ID, "why", private, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []object.Digest{k.ID, done.ID} {
		if _, err := l.Redact(t.Context(), id, "why", private, nil); fault.KindOf(err) != fault.Usage {
			t.Error(err)
		}
	}
	for _, id := range []object.Digest{k.ID, done.ID} { // somebody else's code does it all the same
		forged := forge(t, l, private, id)
		if _, err := l.Get(t.Context(), id); err != nil {
			t.Error(err)
		}
		if n, err := l.ApplyRedactions(t.Context()); n != 0 || err != nil {
			t.Error(n, err)
		}
		if r := verified(t, l); !r.OK() || !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, forged.Short()) }) {
			t.Errorf("%+v", r)
		}
	}
}

// forge appends a redaction without any of the checks.
func forge(t *testing.T, l *Ledger, private []byte, id object.Digest) object.Digest {
	t.Helper()
	body := redacted{Record: id}
	text, err := body.text()
	if err != nil {
		t.Fatal(err)
	}
	if body.Fingerprint, body.Signature, err = l.Sign(private, nil, text, RedactionNamespace); err != nil {
		t.Fatal(err)
	}
	r, err := redactedKind().Append(t.Context(), l, Entry[redacted]{Body: body})
	if err != nil {
		t.Fatal(err)
	}
	return r.ID
}

// What counts is the place of the signature in the log: before the key was trusted, or after it was revoked, it has no effect.
func TestRedactionByAKeyThatIsNotTrusted(t *testing.T) {
	l, private, k := keyed(t)
	r := addSecret(t, l)
	body := redacted{Record: r.ID}
	text, _ := body.text()
	var err error
	if body.Fingerprint, body.Signature, err = l.Sign(private, nil, text, RedactionNamespace); err != nil {
		t.Fatal(err)
	}
	if _, err := l.RevokeKey(t.Context(), k.Name, "lost"); err != nil {
		t.Fatal(err)
	}
	broken := body
	broken.Basis = "another"
	for _, b := range []redacted{body, broken} {
		if _, err := redactedKind().Append(t.Context(), l, Entry[redacted]{Body: b}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := l.ApplyRedactions(t.Context()); n != 0 || err != nil {
		t.Error(n, err)
	}
	if got, err := l.Get(t.Context(), r.ID); err != nil || got.ID != r.ID {
		t.Error(err)
	}
	if set, err := l.Redacted(t.Context()); len(set) != 0 || err != nil {
		t.Error(set, err)
	}
	if r := verified(t, l); !r.OK() || len(r.Notes) != 2 {
		t.Errorf("%+v", r)
	}
}

// An old clone that has the bytes cannot bring them back, on whatever way; and it loses them itself as soon as it hears of it.
func TestOldCloneCannotBringBytesBack(t *testing.T) {
	a, private, _ := keyed(t)
	addRuns(t, a, 5)
	r := addSecret(t, a)
	original := exported(t, a, never)
	old := fresh(t)
	if _, _, err := old.ImportAll(t.Context(), each(original)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Redact(t.Context(), r.ID, "why", private, nil); err != nil {
		t.Fatal(err)
	}
	addRuns(t, old, 3)
	for _, p := range exported(t, old, never) {
		if _, _, err := a.Import(t.Context(), p.Data, p.Pack); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.Union(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	clean(t, a)
	// By hand, too: a pack and a segment.
	for _, p := range original {
		if err := os.WriteFile(a.packPath(p.Pack), p.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(a.path(segFolder, "1-old.seg"), segment.Frame(nil, r.Raw), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := a.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	clean(t, a)
	// A third one that never saw the record keeps only its id, also when the bytes come later.
	c := fresh(t)
	if _, _, err := c.ImportAll(t.Context(), each(exported(t, a, never))); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Union(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	clean(t, c)
	if _, err := old.Union(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if n, err := old.ApplyRedactions(t.Context()); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	clean(t, old)
	for _, l := range []*Ledger{c, old} {
		if got, want := sortedIDs(leavesOf(t, l)), sortedIDs(leavesOf(t, a)); !slices.Equal(got, want) {
			t.Errorf("%d records, want %d", len(got), len(want))
		}
	}
}

func sortedIDs(ids []object.Digest) []object.Digest {
	out := slices.Clone(ids)
	slices.SortFunc(out, object.Digest.Compare)
	return out
}

// A record that arrives as bytes for the first time after its redaction never gets to the disk.
func TestBytesAfterTheirRedaction(t *testing.T) {
	a, private, _ := keyed(t)
	r := addSecret(t, a)
	original := exported(t, a, never)
	if _, err := a.Redact(t.Context(), r.ID, "why", private, nil); err != nil {
		t.Fatal(err)
	}
	known := func(id object.Digest) bool { return id == r.ID }
	b := fresh(t)
	if _, _, err := b.ImportAll(t.Context(), each(exported(t, a, known))); err != nil {
		t.Fatal(err)
	}
	if _, added, err := b.Import(t.Context(), original[0].Data, original[0].Pack); added != 1 || err != nil {
		t.Fatal(added, err)
	}
	clean(t, b)
}

// Nobody can make a record vanish without a signature.
func TestGoneWithoutRedaction(t *testing.T) {
	a, private, k := keyed(t)
	r := addSecret(t, a)
	p := exported(t, a, never)[0]
	data, id, err := RewritePack(p.Data, func(id object.Digest) bool { return id == r.ID })
	if err != nil {
		t.Fatal(err)
	}
	if ids, err := PackIDs(data); err != nil || !slices.Equal(ids, p.IDs) {
		t.Error(err)
	}
	if again, _, err := RewritePack(data, func(id object.Digest) bool { return id == r.ID }); again != nil || err != nil {
		t.Error(err)
	}
	if _, err := CheckPack(data, id, never); fault.KindOf(err) != fault.Integrity {
		t.Error(err)
	}
	if ids, err := CheckPack(data, id, func(id object.Digest) bool { return id == r.ID }); err != nil || !slices.Equal(ids, p.IDs) {
		t.Error(err)
	}
	b := fresh(t)
	if _, _, err := b.Import(t.Context(), data, id); fault.KindOf(err) != fault.Integrity {
		t.Error(err)
	}
	if len(leavesOf(t, b)) != 0 {
		t.Error("something was added")
	}
	for _, folder := range []string{packFolder, tmpFolder, idxFolder} {
		if left, _ := os.ReadDir(b.path(folder)); len(left) > 0 {
			t.Errorf("%s holds %v", folder, left)
		}
	}
	if err := os.WriteFile(b.packPath(id), data, 0o644); err != nil {
		t.Fatal(err)
	}
	if r := verified(t, b); r.OK() {
		t.Error("a line without bytes and redaction was accepted")
	}
	if _, err := b.Get(t.Context(), r.ID); fault.KindOf(err) != fault.Integrity {
		t.Error(err)
	}
	// With the redaction in a later pack of the same batch it is right, even if the key was revoked before that came.
	if _, err := a.Redact(t.Context(), r.ID, "why", private, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := a.RevokeKey(t.Context(), k.Name, "lost"); err != nil {
		t.Fatal(err)
	}
	rest := exported(t, a, func(id object.Digest) bool { return slices.Contains(p.IDs, id) })
	c := fresh(t)
	if _, n, err := c.ImportAll(t.Context(), each(append([]SyncPack{{Pack: id, Data: data}}, rest...))); n != 4 || err != nil {
		t.Fatal(n, err)
	}
	clean(t, c)
}

// What crashes and damage have left of the record goes with it.
func TestRedactScrubs(t *testing.T) {
	l, private, _ := keyed(t)
	r := addSecret(t, l)
	other := addRuns(t, l, 1)[0]
	torn := segment.Frame(nil, r.Raw)
	torn[3] ^= 1
	evidence := append(append(append([]byte("garbage\n"), torn...), segment.Frame(nil, r.Raw)...), segment.Frame(nil, other.Raw)...)
	name := l.path(segFolder, "1-x.damaged")
	if err := os.WriteFile(name, evidence, 0o644); err != nil {
		t.Fatal(err)
	}
	packs := exported(t, l, never)
	whole, half := l.path(tmpFolder, "new-1"), l.path(tmpFolder, "new-2")
	lone := l.idxPath(object.Sum([]byte("a pack that was never written"))) // its writer died between the two
	if err := errors.Join(os.WriteFile(whole, packs[0].Data, 0o644), os.WriteFile(half, r.Raw, 0o644), os.WriteFile(lone, r.Raw, 0o644)); err != nil {
		t.Fatal(err)
	}
	l.opts.Now = func() time.Time { return time.Now().Add(2 * time.Minute) }
	if _, err := l.Redact(t.Context(), r.ID, "why", private, nil); err != nil {
		t.Fatal(err)
	}
	if left := leaks(t, l.opts.Dir); len(left) > 0 {
		t.Errorf("the secret is still in %v", left)
	}
	if b, err := os.ReadFile(name); err != nil || string(b) != "garbage\n"+string(segment.Frame(nil, other.Raw)) {
		t.Errorf("%q, %v", b, err)
	}
}

// A pack that is damaged does not keep the bytes in the others; it is named.
func TestRedactBesideDamage(t *testing.T) {
	l, private, _ := keyed(t)
	r := addSecret(t, l)
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	forge(t, l, private, r.ID)
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	addMany(t, l, 1100)
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	packs := logged(t, l)
	last := packs[len(packs)-1].Pack
	if err := errors.Join(os.Truncate(l.packPath(last), 100), os.RemoveAll(l.path(idxFolder))); err != nil {
		t.Fatal(err)
	}
	l = open(t, l.opts.Dir)
	if n, err := l.ApplyRedactions(t.Context()); n != 1 || fault.KindOf(err) != fault.Integrity || !strings.Contains(err.Error(), last.Hex()) {
		t.Error(err)
	}
	if err := os.Remove(l.packPath(last)); err != nil {
		t.Fatal(err)
	}
	if left := leaks(t, l.opts.Dir); len(left) > 0 {
		t.Errorf("the secret is still in %v", left)
	}
}
