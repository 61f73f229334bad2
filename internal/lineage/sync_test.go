package lineage

import (
	"bytes"
	"encoding/binary"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage/internal/pack"
	"mlx/internal/object"
)

func never(object.Digest) bool { return false }

func exported(t testing.TB, l *Ledger, known func(object.Digest) bool) (out []SyncPack) {
	t.Helper()
	for p, err := range l.Export(t.Context(), known) {
		if err != nil {
			t.Fatal(err)
		}
		if object.Sum(p.Data) != p.Pack || len(p.IDs) != p.Records {
			t.Fatalf("pack %s is not what it says", p.Pack.Short())
		}
		if ids, err := PackIDs(p.Data); err != nil || !slices.Equal(ids, p.IDs) {
			t.Fatalf("pack %s: %v", p.Pack.Short(), err)
		}
		out = append(out, p)
	}
	return out
}

// addMany adds runs as one group.
func addMany(t testing.TB, l *Ledger, n int) {
	t.Helper()
	drafts := make([]Draft, n)
	for i := range drafts {
		drafts[i] = runKind().Draft(Entry[runBody]{Body: runBody{Name: strconv.Itoa(i), Params: map[string]any{"i": i}}})
	}
	if _, err := l.AppendAll(t.Context(), drafts...); err != nil {
		t.Fatal(err)
	}
}

func each(packs []SyncPack) iter.Seq2[SyncPack, error] {
	return func(yield func(SyncPack, error) bool) {
		for _, p := range packs {
			if !yield(p, nil) {
				return
			}
		}
	}
}

func leavesOf(t testing.TB, l *Ledger) []object.Digest {
	t.Helper()
	ids, _, err := l.leaves(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestExportImport(t *testing.T) {
	a, b := fresh(t), fresh(t)
	addMany(t, a, 2500)
	packs := exported(t, a, never)
	ids, added, err := b.ImportAll(t.Context(), each(packs))
	if err != nil || added != 2500 || !slices.Equal(ids, leavesOf(t, a)) || !slices.Equal(ids, leavesOf(t, b)) {
		t.Fatal(len(ids), added, err)
	}
	if _, added, err = b.ImportAll(t.Context(), each(packs)); added != 0 || err != nil {
		t.Fatal(added, err)
	}
	known, n, err := b.Known(t.Context())
	if err != nil || n != 2500 || len(exported(t, a, known)) != 0 {
		t.Fatal(n, err)
	}
	addMany(t, a, 10)
	more := exported(t, a, known)
	if len(more) != 1 || more[0].Records != 10 {
		t.Fatal(more)
	}
	if report, err := b.Verify(t.Context(), nil); err != nil || !report.OK() || report.Records != 2500 || len(report.Notes) > 0 {
		t.Fatal(report, err)
	}
}

// Three ledgers give each other what they have, in any order and with consolidation in between: in the end all hold the same set, and the order
// of what a ledger had before never changes.
func TestThreeLedgersConverge(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	ls := []*Ledger{fresh(t), fresh(t), fresh(t)}
	give := func(from, to *Ledger) {
		before := leavesOf(t, to)
		known, _, err := to.Known(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		packs := exported(t, from, known)
		want := 0
		for _, p := range packs {
			want += p.Records
		}
		ids, added, err := to.ImportAll(t.Context(), each(packs))
		if err != nil || added != want || added != len(ids) {
			t.Fatal(len(ids), added, want, err)
		}
		after := leavesOf(t, to)
		if len(after) != len(before)+added || !slices.Equal(after[len(before):], ids) {
			t.Fatalf("%d records and %d new are %d, or in another order", len(before), added, len(after))
		}
	}
	for round := range 30 {
		l := ls[r.IntN(3)]
		addMany(t, l, []int{1, 5, 40, 1100}[r.IntN(4)])
		if round%3 == 0 {
			if err := l.Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		from, to := r.IntN(3), r.IntN(3)
		if from == to {
			continue
		}
		if err := ls[to].Seal(t.Context()); err != nil { // what is unsealed may still change places
			t.Fatal(err)
		}
		give(ls[from], ls[to])
	}
	for range 2 {
		for i := range ls {
			if err := ls[(i+1)%3].Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
			give(ls[i], ls[(i+1)%3])
		}
	}
	want := sortedIDs(leavesOf(t, ls[0]))
	for _, l := range ls {
		if got := sortedIDs(leavesOf(t, l)); !slices.Equal(got, want) || len(slices.Compact(got)) != len(want) {
			t.Errorf("%d records, want %d", len(got), len(want))
		}
		if r := verified(t, l); !r.OK() || len(r.Notes) > 0 {
			t.Errorf("%+v", r)
		}
	}
}

// Two people move one value: after an import both stand, until a record names both.
func TestConflictAfterImport(t *testing.T) {
	a, b := fresh(t), fresh(t)
	first := addRuns(t, a, 1)[0]
	if _, _, err := b.ImportAll(t.Context(), each(exported(t, a, never))); err != nil {
		t.Fatal(err)
	}
	x, y := addSecret(t, a, first.ID), addSecret(t, b, first.ID)
	if _, _, err := b.ImportAll(t.Context(), each(exported(t, a, never))); err != nil {
		t.Fatal(err)
	}
	if now, err := b.Current(t.Context(), "run", ""); err != nil || len(now) != 2 {
		t.Fatal(now, err)
	}
	both := addSecret(t, b, x.ID, y.ID)
	if now, err := b.Current(t.Context(), "run", ""); err != nil || len(now) != 1 || now[0].ID != both.ID {
		t.Fatal(now, err)
	}
}

// Others append, seal and import the same packs meanwhile.
func TestImportBesideOthers(t *testing.T) {
	from := fresh(t)
	var packs []SyncPack
	known := map[object.Digest]bool{}
	for i := range 6 {
		addMany(t, from, []int{3, 1030}[i%2])
		for _, p := range exported(t, from, func(id object.Digest) bool { return known[id] }) {
			for _, id := range p.IDs {
				known[id] = true
			}
			packs = append(packs, p)
		}
	}
	dir := filepath.Join(t.TempDir(), "ledger")
	var own sync.Map
	var work sync.WaitGroup
	try := func(name string, f func(l *Ledger) error) {
		l := open(t, dir)
		l.opts.Now, l.opts.PID = time.Now, rand.Int()
		work.Go(func() {
			if err := f(l); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	for range 2 {
		try("write", func(l *Ledger) error {
			for i := range 150 {
				r, err := runKind().Append(t.Context(), l, Entry[runBody]{Body: runBody{Name: "w"}})
				if err != nil {
					return err
				}
				own.Store(r.ID, true)
				if i%20 == 0 {
					if err := l.Seal(t.Context()); err != nil {
						return err
					}
				}
			}
			return nil
		})
		try("import", func(l *Ledger) error {
			for _, p := range packs {
				if _, _, err := l.Import(t.Context(), p.Data, p.Pack); err != nil {
					return err
				}
			}
			return nil
		})
		try("export", func(l *Ledger) error {
			for range 5 {
				for _, err := range l.Export(t.Context(), never) {
					if err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	work.Wait()
	l := open(t, dir)
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	leaves := sortedIDs(leavesOf(t, l))
	if len(slices.Compact(slices.Clone(leaves))) != len(leaves) || len(leaves) != len(known)+300 {
		t.Errorf("%d records, want %d", len(leaves), len(known)+300)
	}
	for _, id := range leaves {
		if _, mine := own.Load(id); !mine && !known[id] {
			t.Errorf("record %s is from nowhere", id.Short())
		}
	}
	if r := verified(t, l); !r.OK() {
		t.Errorf("%+v", r.Problems)
	}
}

func TestImportRefuses(t *testing.T) {
	a := fresh(t)
	addRuns(t, a, 40)
	good := exported(t, a, never)[0]
	l := fresh(t)
	refuse := func(what string, data []byte) {
		t.Helper()
		// The name is right, what it names is not. A good pack before it in the same batch is not taken either.
		addRuns(t, a, 1)
		batch := []SyncPack{good, {Pack: object.Sum(data), Data: data}}
		_, n, err := l.ImportAll(t.Context(), each(batch))
		if fault.KindOf(err) != fault.Integrity || n != 0 || len(leavesOf(t, l)) != 0 {
			t.Errorf("%s: %d, %v", what, n, err)
		}
		for _, folder := range []string{packFolder, tmpFolder, idxFolder} {
			if left, err := os.ReadDir(l.path(folder)); len(left) > 0 || err != nil {
				t.Errorf("%s: %s holds %v, %v", what, folder, left, err)
			}
		}
	}
	for _, file := range hostile(t, "packs") {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		refuse(file, b)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
			t.Errorf("%s: %d MiB were allocated", file, used>>20)
		}
	}
	enc, err := pack.NewEncoder()
	if err != nil {
		t.Fatal(err)
	}
	packOf := func(facts ...fact) []byte {
		b := enc.Builder(pack.Nonce{})
		for _, f := range facts {
			b.Add(f.id, f.raw)
		}
		data, _ := b.Finish()
		return data
	}
	r := addRuns(t, a, 1)[0]
	refuse("a record twice", packOf(fact{r.ID, r.Raw}, fact{r.ID, r.Raw}))
	refuse("another id", packOf(fact{object.Sum(nil), r.Raw}))
	refuse("no record", packOf(fact{object.Sum([]byte("{}")), []byte("{}")}))
	refuse("no record behind one that is known", packOf(fact{good.IDs[0], []byte("{}")}))
	refuse("another redacted line", packOf(fact{r.ID, goneLine(object.Sum(nil))}))
	refuse("cut", good.Data[:len(good.Data)-1])
	if _, _, err := l.Import(t.Context(), good.Data, object.Sum(nil)); fault.KindOf(err) != fault.Integrity {
		t.Error(err)
	}
	ro, err := Open(Options{Dir: l.opts.Dir, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := ro.Import(t.Context(), good.Data, good.Pack); fault.KindOf(err) != fault.Denied {
		t.Error(err)
	}
}

func FuzzImport(f *testing.F) {
	a := fresh(f)
	addRuns(f, a, 3)
	good := exported(f, a, never)[0]
	files, err := filepath.Glob(filepath.Join(vectors, "hostile", "packs", "*"))
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(good.Data)
	f.Fuzz(func(t *testing.T, data []byte) {
		l := fresh(t)
		ids, added, err := l.Import(t.Context(), data, object.Sum(data))
		if err == nil && added != len(ids) || err != nil && (added != 0 || fault.KindOf(err) != fault.Integrity) {
			t.Fatal(len(ids), added, err)
		}
		if again, e := PackIDs(data); err == nil && (e != nil || !slices.Equal(again, ids)) {
			t.Fatal(e)
		}
		if again, e := CheckPack(data, object.Sum(data), never); err == nil && (e != nil || !slices.Equal(again, ids)) {
			t.Fatal(e)
		}
		_, _, _ = RewritePack(data, func(object.Digest) bool { return true })
		if r, e := l.Verify(t.Context(), nil); e != nil || !r.OK() || r.Records != added {
			t.Fatalf("%+v, %v", r, e)
		}
	})
}

func TestTreeState(t *testing.T) {
	whole := NewTree()
	var ids []object.Digest
	for i := range 300 {
		if size, root := rootOf(ids); whole.Size() != size || whole.Root() != root {
			t.Fatal("another root after", i)
		}
		again, err := TreeOf(whole.State())
		if err != nil || again.Root() != whole.Root() || again.Size() != whole.Size() {
			t.Fatal(i, err)
		}
		id := object.Sum([]byte{byte(i), byte(i >> 8)})
		ids = append(ids, id)
		whole.Add(id)
		again.Add(id)
		if again.Root() != whole.Root() {
			t.Fatal("another root when it goes on after", i)
		}
	}
}

func FuzzTreeOf(f *testing.F) {
	f.Add(NewTree().State())
	f.Add(append(binary.LittleEndian.AppendUint64(nil, 1<<40+1), bytes.Repeat([]byte{1}, 64)...))
	f.Add(bytes.Repeat([]byte{0xff}, 64))
	f.Fuzz(func(t *testing.T, state []byte) {
		tree, err := TreeOf(state)
		if err != nil {
			return
		}
		if !bytes.Equal(tree.State(), state) {
			t.Fatal("a state has two forms")
		}
		tree.Add(object.Sum(nil))
		_ = tree.Root()
	})
}

func TestSignText(t *testing.T) {
	l, private, k := keyed(t)
	text := []byte("entry")
	fp, sig, err := l.Sign(private, nil, text, "mlx-log")
	if err != nil || fp != k.Fingerprint {
		t.Fatal(fp, err)
	}
	if err := l.VerifySignature(t.Context(), text, "mlx-log", fp, sig); err != nil {
		t.Error(err)
	}
	for _, bad := range [][4]string{{"entry2", "mlx-log", fp, sig}, {"entry", "mlx-other", fp, sig}, {"entry", "mlx-log", "SHA256:x", sig}, {"entry", "mlx-log", fp, "x"}} {
		if err := l.VerifySignature(t.Context(), []byte(bad[0]), bad[1], bad[2], bad[3]); fault.KindOf(err) != fault.Integrity {
			t.Error(bad[:3], err)
		}
	}
	if _, err := l.RevokeKey(t.Context(), k.Name, "lost"); err != nil {
		t.Fatal(err)
	}
	if err := l.VerifySignature(t.Context(), text, "mlx-log", fp, sig); fault.KindOf(err) != fault.Denied {
		t.Error(err)
	}
	if _, _, err := l.Sign(private, nil, text, "mlx-log"); fault.KindOf(err) != fault.Denied {
		t.Error(err)
	}
}
