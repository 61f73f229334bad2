package lineage

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"mlx/internal/fault"
	"mlx/internal/object"
)

func verified(t *testing.T, l *Ledger) Report {
	t.Helper()
	r, err := l.Verify(t.Context(), func(done, total int64) {
		if done > total {
			t.Errorf("progress %d of %d", done, total)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Every file of a ledger is damaged in every way; verify must name the file, and nothing wrong may ever be read.
func TestEveryDamageIsNamed(t *testing.T) {
	l := fresh(t)
	want := map[object.Digest]bool{}
	for _, r := range addRuns(t, l, 6) {
		want[r.ID] = true
	}
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range addRuns(t, l, 3) {
		want[r.ID] = true
	}
	if r := verified(t, l); !r.OK() || r.Records != 9 || r.Packs != 1 || r.Segments != 1 || len(r.Notes) > 0 {
		t.Fatalf("%+v", r)
	}
	for _, folder := range []string{segFolder, packFolder, logFolder} {
		files, err := filepath.Glob(l.path(folder, "*"))
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		whole, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(whole); i += 1 + len(whole)/150 {
			mutant := bytes.Clone(whole)
			mutant[i] ^= 0x11
			damageAndLook(t, l, files[0], mutant, want, i < len(whole)-1)
			damageAndLook(t, l, files[0], whole[:i], want, folder != segFolder)
		}
		if err := os.WriteFile(files[0], whole, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if r := verified(t, l); !r.OK() {
		t.Fatalf("the test has not cleaned up: %+v", r.Problems)
	}
}

func damageAndLook(t *testing.T, l *Ledger, file string, content []byte, want map[object.Digest]bool, mustSee bool) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := Open(Options{Dir: l.opts.Dir, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	report, err := r.Verify(t.Context(), nil)
	named := slices.ContainsFunc(report.Problems, func(p Problem) bool { return p.File == file })
	if mustSee && err == nil && !named {
		t.Fatalf("%s of %d bytes: not named in %+v", file, len(content), report)
	}
	for rec, err := range r.Select(t.Context(), Query{All: true}) {
		if err != nil {
			break
		}
		if !want[rec.ID] || object.Sum(rec.Raw) != rec.ID {
			t.Fatalf("%s: a wrong record was read", file)
		}
	}
}

func TestDamagedIndexIsBuiltAgain(t *testing.T) {
	l := fresh(t)
	addRuns(t, l, 50)
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(l.path(idxFolder, "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(whole); i += 1 + len(whole)/200 {
		mutant := bytes.Clone(whole)
		mutant[i] ^= 0x11
		if err := os.Remove(files[0]); err != nil { // not in place: it may be mapped
			t.Fatal(err)
		}
		if err := os.WriteFile(files[0], mutant, 0o644); err != nil {
			t.Fatal(err)
		}
		o := open(t, l.opts.Dir)
		if got := selected(t, o, Query{Where: "params.depth == 3 and params.opt startsWith 's'", Sort: "-metrics.auc"}); len(got) != 5 {
			t.Fatalf("byte %d: %d records", i, len(got))
		}
		if r := verified(t, o); !r.OK() {
			t.Fatalf("byte %d: %+v", i, r.Problems)
		}
		if now, err := os.ReadFile(files[0]); err != nil || !bytes.Equal(now, whole) {
			t.Fatalf("byte %d: the index was not built again, %v", i, err)
		}
	}
}

func TestLostPackIsNamed(t *testing.T) {
	l := fresh(t)
	first := addRuns(t, l, 3)
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	add(t, l, runKind(), Entry[runBody]{Prev: []object.Digest{first[0].ID}})
	files, err := filepath.Glob(l.path(packFolder, "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	o := open(t, l.opts.Dir)
	r := verified(t, o)
	if len(r.Problems) != 2 || !strings.Contains(r.Problems[0].What, "missing") || !strings.Contains(r.Problems[1].What, first[0].ID.Hex()) {
		t.Errorf("%+v", r.Problems)
	}
	if _, err := o.Get(t.Context(), first[1].ID); fault.KindOf(err) != fault.Integrity {
		t.Errorf("get from a lost pack: %v", err)
	}
}

func TestDamagedSegmentIsKeptAsEvidence(t *testing.T) {
	l := fresh(t)
	addRuns(t, l, 5)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(l.path(segFolder, "*.seg"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(files[0], b, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Count(t.Context(), Query{}); fault.KindOf(err) != fault.Integrity {
		t.Errorf("damage was not reported: %v", err)
	}
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := l.Count(t.Context(), Query{}); n != 4 || err != nil {
		t.Errorf("%d records, %v", n, err)
	}
	if r := verified(t, l); len(r.Problems) != 1 || !strings.HasSuffix(r.Problems[0].File, ".damaged") {
		t.Errorf("%+v", r.Problems)
	}
}

// Packs that someone copies into the folder are a union too, also when they repeat records.
func TestPacksPutThereByHand(t *testing.T) {
	a, b := fresh(t), fresh(t)
	addRuns(t, a, 4)
	addRuns(t, b, 3)
	for _, l := range []*Ledger{a, b} {
		if err := l.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := b.Union(t.Context(), a); n != 4 || err != nil {
		t.Fatal(n, err)
	}
	addRuns(t, b, 2)
	if err := b.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(b.path(packFolder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err == nil {
			err = os.WriteFile(a.path(packFolder, filepath.Base(f)), data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, when := range []string{"before", "after"} {
		if n, err := a.Count(t.Context(), Query{}); n != 9 || err != nil {
			t.Errorf("%s sealing: %d records, %v", when, n, err)
		}
		if r := verified(t, a); !r.OK() || r.Records != 9 || r.Size != 9 {
			t.Errorf("%s sealing: %+v", when, r)
		}
		addRuns(t, a, 0)
		if err := a.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUnionConverges(t *testing.T) {
	a, b := fresh(t), fresh(t)
	root := add(t, a, tagKind(), Entry[tagBody]{Body: tagBody{Name: "x"}})
	if _, err := b.Union(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	add(t, a, tagKind(), Entry[tagBody]{Body: tagBody{Name: "x", Value: "a"}, Prev: []object.Digest{root.ID}})
	add(t, b, tagKind(), Entry[tagBody]{Body: tagBody{Name: "x", Value: "b"}, Prev: []object.Digest{root.ID}})
	for range 2 {
		if _, err := a.Union(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Union(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	if x, y := ids(selected(t, a, Query{All: true})), ids(selected(t, b, Query{All: true})); !slices.Equal(x, y) || len(x) != 3 {
		t.Errorf("%v and %v", x, y)
	}
	if got, err := a.Current(t.Context(), "tag", ""); len(got) != 2 || err != nil {
		t.Errorf("%d current values, %v: a conflict must stay visible", len(got), err)
	}
	if n, err := a.Union(t.Context(), b); n != 0 || err != nil {
		t.Errorf("a union that brings nothing: %d, %v", n, err)
	}
}

func newKey(t *testing.T) (private, public []byte) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block), ssh.MarshalAuthorizedKey(signer.PublicKey())
}

func TestKeysAndCheckpoints(t *testing.T) {
	l := fresh(t)
	addRuns(t, l, 10)
	private, public := newKey(t)
	if _, err := l.SignCheckpoint(t.Context(), private, nil); fault.KindOf(err) != fault.Denied {
		t.Errorf("a key that nobody trusts: %v", err)
	}
	if _, err := l.AddKey(t.Context(), private, "x"); fault.KindOf(err) != fault.Usage || strings.Contains(err.Error(), string(private)) {
		t.Errorf("a private key: %v", err)
	}
	k, err := l.AddKey(t.Context(), public, "ana")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := l.AddKey(t.Context(), public, "ana"); err != nil || again.ID != k.ID {
		t.Errorf("added twice: %+v, %v", again, err)
	}
	rec, err := l.SignCheckpoint(t.Context(), private, nil)
	if err != nil {
		t.Fatal(err)
	}
	addRuns(t, l, 5)
	if r := verified(t, l); !r.OK() || r.Checkpoints != 1 {
		t.Fatalf("%+v", r)
	}
	p, err := l.Prove(t.Context(), rec.ID)
	if err != nil || VerifyProof(p) != nil {
		t.Error(err, VerifyProof(p))
	}
	p.Index++
	if VerifyProof(p) == nil {
		t.Error("a wrong proof was believed")
	}
	revoked, err := l.RevokeKey(t.Context(), "ana", "laptop lost")
	if err != nil || !revoked.Revoked {
		t.Fatal(revoked, err)
	}
	if _, err := l.SignCheckpoint(t.Context(), private, nil); fault.KindOf(err) != fault.Denied {
		t.Errorf("a revoked key: %v", err)
	}
	if keys, err := l.Keys(t.Context()); err != nil || len(keys) != 1 || !keys[0].Revoked || keys[0].Reason != "laptop lost" {
		t.Errorf("%+v, %v", keys, err)
	}
	if r := verified(t, l); !r.OK() {
		t.Errorf("what was signed before the revocation counts: %+v", r.Problems)
	}
	if _, err := l.RevokeKey(t.Context(), "bob", ""); fault.KindOf(err) != fault.NotFound {
		t.Errorf("%v", err)
	}
	lie, err := checkpointKind().Decode(rec)
	if err != nil {
		t.Fatal(err)
	}
	lie.Size++
	add(t, l, checkpointKind(), Entry[Checkpoint]{Body: lie})
	if r := verified(t, l); len(r.Problems) != 1 || !strings.Contains(r.Problems[0].What, "signature does not match") {
		t.Errorf("a forged checkpoint: %+v", r.Problems)
	}
}
