package lineage

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"mlx/internal/fault"
	"mlx/internal/lineage/internal/line"
	"mlx/internal/lineage/internal/segment"
	"mlx/internal/lineage/internal/sshsig"
	"mlx/internal/object"
)

const vectors = "../../testdata/format/v1/ledger"

func vector(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(vectors, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func vectorJSON(t *testing.T, name string, v any) {
	t.Helper()
	if err := json.Unmarshal(vector(t, name), v); err != nil {
		t.Fatal(err)
	}
}

func hostile(t *testing.T, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(vectors, "hostile", folder, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	return files
}

func TestOldLedgerIsRead(t *testing.T) {
	l, err := Open(Options{Dir: filepath.Join(vectors, "whole"), ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	leaves, _, err := l.leaves(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSuffix(string(vector(t, "records.txt")), "\n"), "\n")
	if len(leaves) != len(want) {
		t.Fatalf("%d records, want %d", len(leaves), len(want))
	}
	for i, text := range want {
		id, raw, _ := strings.Cut(text, " ")
		r, err := l.Get(t.Context(), leaves[i])
		if err != nil || r.ID.String() != id || string(r.Raw) != raw {
			t.Errorf("record %d: %v %s, want %s", i, err, r.ID, id)
		}
	}
	var head struct {
		Size    uint64
		Root    object.Digest
		Records int
	}
	vectorJSON(t, "head.json", &head)
	report, err := l.Verify(t.Context(), nil)
	if err != nil || !report.OK() || report.Size != head.Size || report.Root != head.Root || report.Records != head.Records || report.Checkpoints != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	for where, want := range map[string]int{
		`metrics.auc > 0.7`: 1, `params.depth == 6 and params["learning-rate"] < 0.2`: 1, `name == "best"`: 1, `x == true`: 0, `x.y`: 1,
	} {
		if n, err := l.Count(t.Context(), Query{Where: where, All: strings.Contains(where, "params")}); n != want || err != nil {
			t.Errorf("%s: %d records, %v, want %d", where, n, err, want)
		}
	}
}

func TestOldProofsAreBelieved(t *testing.T) {
	var p Proof
	vectorJSON(t, "proof.json", &p)
	if err := VerifyProof(p); err != nil {
		t.Error(err)
	}
	var g Growth
	vectorJSON(t, "growth.json", &g)
	if err := VerifyGrowth(g); err != nil {
		t.Error(err)
	}
	key, err := sshsig.Verify(string(vector(t, "checkpoint.txt.sig")), Namespace, vector(t, "checkpoint.txt"))
	if err != nil || key.String() != strings.TrimSpace(string(vector(t, "checkpoint.pub"))) {
		t.Error(key, err)
	}
}

func TestHostileRecords(t *testing.T) {
	for _, file := range hostile(t, "records") {
		var p line.Parser
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Parse(b); err == nil {
			t.Errorf("%s was accepted", file)
		}
	}
}

func TestHostileLogEntries(t *testing.T) {
	for _, file := range hostile(t, "log") {
		if o, _, err := readOrder(file); err == nil {
			t.Errorf("%s was accepted: %+v", file, o)
		}
	}
}

func TestHostileSegments(t *testing.T) {
	type seen struct{ records, torn, damaged int }
	for name, want := range map[string]seen{
		"torn": {2, 1, 0}, "flipped": {2, 0, 1}, "room": {3, 0, 0}, "no-newline": {3, 0, 0}, "no-record": {4, 0, 0}, "garbage": {3, 0, 3}, "hole-in-last": {2, 1, 0},
	} {
		var got seen
		bad, _, err := segment.ScanFile(filepath.Join(vectors, "hostile/segments", name+".seg"), func(int64, []byte) error {
			got.records++
			return nil
		})
		for _, d := range bad {
			if d.Torn {
				got.torn++
			} else {
				got.damaged++
			}
		}
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, want)
		}
	}
	if len(hostile(t, "segments")) != 7 {
		t.Error("a segment is not tested")
	}
}

// Each hostile pack is put into a ledger under its right name: reading must fail, verify must name it, neither may need memory.
func TestHostilePacks(t *testing.T) {
	for _, file := range hostile(t, "packs") {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		l := fresh(t)
		if err := l.makeFolders(); err != nil {
			t.Fatal(err)
		}
		path := l.packPath(object.Sum(b))
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if n, err := l.Count(t.Context(), Query{All: true}); err == nil || n != 0 {
			t.Errorf("%s: %d records, %v", file, n, err)
		}
		report, err := l.Verify(t.Context(), nil)
		if err != nil || report.OK() || report.Problems[0].File != path {
			t.Errorf("%s: %+v, %v", file, report, err)
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 32<<20 {
			t.Errorf("%s: %d MiB were allocated", file, used>>20)
		}
		if err := l.Seal(t.Context()); err != nil {
			t.Errorf("%s: seal: %v", file, err)
		}
	}
}

func TestOldRedactedLedgerIsRead(t *testing.T) {
	var want struct {
		Size               uint64
		Root               object.Digest
		Redacted, By, Prev object.Digest
		Basis              string
		Leaves             []object.Digest
	}
	vectorJSON(t, "redacted.json", &want)
	dir := copyLedger(t, filepath.Join(vectors, "redacted"))
	l := open(t, dir)
	report, err := l.Verify(t.Context(), nil)
	if err != nil || !report.OK() || len(report.Notes) > 0 || report.Size != want.Size || report.Root != want.Root {
		t.Errorf("%+v, %v", report, err)
	}
	set, err := l.Redacted(t.Context())
	if r := set[want.Redacted]; err != nil || len(set) != 1 || r.ID != want.By || r.Basis != want.Basis {
		t.Error(set, err)
	}
	if _, err := l.Get(t.Context(), want.Redacted); fault.KindOf(err) != fault.NotFound || !strings.Contains(err.Error(), want.Basis) {
		t.Error(err)
	}
	if now := selected(t, l, Query{Nouns: []string{"run"}}); len(now) != 2 {
		t.Errorf("%d current runs: %s counts again", len(now), want.Prev.Short())
	}
	if got := leavesOf(t, l); !slices.Equal(got, want.Leaves) {
		t.Error(got)
	}
	if b := l.filter(); len(b) != 1 || !b[want.Redacted] {
		t.Error(b)
	}
	if n, err := l.ApplyRedactions(t.Context()); n != 0 || err != nil {
		t.Error(n, err)
	}
	// It travels, and arrives the same.
	other := fresh(t)
	if _, n, err := other.ImportAll(t.Context(), each(exported(t, l, never))); n != len(want.Leaves) || err != nil {
		t.Error(n, err)
	}
}

// Lines that look as if they stood for a redacted record, and do not.
func TestHostileRedactions(t *testing.T) {
	all := func(object.Digest) bool { return true }
	for _, file := range hostile(t, "redacted") {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, n, err := fresh(t).Import(t.Context(), b, object.Sum(b)); fault.KindOf(err) != fault.Integrity || n != 0 {
			t.Errorf("%s: %d, %v", file, n, err)
		}
		if _, err := CheckPack(b, object.Sum(b), all); err == nil != (filepath.Base(file) == "no-redaction.jsonl.zst") {
			t.Errorf("%s: %v", file, err)
		}
	}
}
