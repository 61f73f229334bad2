package scan

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func scanBytes(t testing.TB, name string, b []byte) Report {
	t.Helper()
	r, err := ScanReader(context.Background(), name, bytes.NewReader(b), int64(len(b)), Options{})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return r
}

// TestHostile holds every file of the corpus: its verdict, and that a finding names what it would import.
func TestHostile(t *testing.T) {
	all := hostiles()
	if len(all) < 100 {
		t.Fatalf("the corpus has only %d files", len(all))
	}
	seen := make(map[string]bool)
	for _, h := range all {
		t.Run(h.name, func(t *testing.T) {
			if h.source == "" || seen[h.name] {
				t.Error("each file has a name of its own and says where it was published")
			}
			seen[h.name] = true
			r := scanBytes(t, "model.bin", h.bytes)
			if r.Verdict != h.judged {
				t.Errorf("verdict %s, want %s: %+v", r.Verdict, h.judged, r.Findings)
			}
			if h.names != "" && !named(r, h.names) {
				t.Errorf("no finding names %s: %+v", h.names, r.Findings)
			}
		})
	}
}

func named(r Report, name string) bool {
	for _, f := range r.Findings {
		if f.Name == name && f.Severity == Block {
			return true
		}
	}
	return false
}

// TestNamesDecideNothing scans hostile pickles under names that loaders and other scanners pass over.
func TestNamesDecideNothing(t *testing.T) {
	evil := calls("os", "system", "id")
	for _, name := range []string{"model", "model.txt", "model.json", "model.safetensors", "README.md", "model.py", "x.h5", "MLmodel", "a.7z", "a.png"} {
		for _, b := range [][]byte{evil, cat("cos\nsystem\n(S'id'\ntR."), framed(evil)} {
			if r := scanBytes(t, name, b); r.Verdict != Fail || !named(r, "os.system") {
				t.Errorf("%s: %s %+v", name, r.Verdict, r.Findings)
			}
		}
	}
}

// TestReport holds the form of the report: the same bytes give the same bytes.
func TestReport(t *testing.T) {
	b := zipped("a/data.pkl", calls("os", "system", "id"), "a/version", "3\n", "b.7z", "\x37\x7a\xbc\xaf\x27\x1c")
	first, err := json.Marshal(scanBytes(t, "m.pt", b))
	if err != nil {
		t.Fatal(err)
	}
	second, _ := json.Marshal(scanBytes(t, "m.pt", b))
	if !bytes.Equal(first, second) {
		t.Errorf("two scans differ:\n%s\n%s", first, second)
	}
	want := `{"rules":"2026-11","verdict":"fail","files":[{"path":"m.pt","size":` + fmt.Sprint(len(b)) + `,"verdict":"fail","formats":["7z","pickle","text","torch zip","zip"]}],` +
		`"findings":[{"severity":"block","file":"m.pt","inside":"a/data.pkl","offset":21,"opcode":"REDUCE","name":"os.system","what":"would call os.system(\"id\")","source":"https://docs.python.org/3/library/pickle.html"},` +
		`{"severity":"unclear","file":"m.pt","inside":"b.7z","offset":0,"what":"is an archive of 7-Zip, which cannot be looked into"}],"formats":["7z","pickle","text","torch zip","zip"]}`
	if string(first) != want {
		t.Errorf("got  %s\nwant %s", first, want)
	}
}

// TestLimits holds that a bomb, a deep nest and a long list of findings end, and are never clean.
func TestLimits(t *testing.T) {
	bomb := compressed("gzip", compressed("gzip", bytes.Repeat([]byte{0}, 1<<20)))
	ctx := context.Background()
	r, err := ScanReader(ctx, "bomb", bytes.NewReader(bomb), int64(len(bomb)), Options{Expanded: 1 << 16, Temp: t.TempDir()})
	if err != nil || r.Verdict != Inconclusive || !strings.Contains(r.Findings[0].What, "more than may be expanded") {
		t.Errorf("%v %+v", err, r)
	}
	deep := calls("os", "system", "id")
	for range 10 {
		deep = compressed("gzip", deep)
	}
	if r := scanBytes(t, "deep", deep); r.Verdict != Inconclusive || !strings.Contains(r.Findings[0].What, "too deep") {
		t.Errorf("%+v", r)
	}
	var many []byte
	for i := range 50 {
		many = append(many, opGlobalOf("evil", fmt.Sprint("f", i))...)
	}
	r, err = ScanReader(ctx, "many", bytes.NewReader(append(many, '.')), int64(len(many)+1), Options{Findings: 10})
	if err != nil || r.Verdict != Fail || len(r.Findings) != 10 || r.Dropped == 0 {
		t.Errorf("%v %s %d %d", err, r.Verdict, len(r.Findings), r.Dropped)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := ScanReader(cancelled, "x", bytes.NewReader(deep), int64(len(deep)), Options{}); err == nil {
		t.Error("a cancelled scan gave an answer")
	}
}

// TestDropped holds that a finding past the limit is counted once, also where the pickle holds the bytes of another.
func TestDropped(t *testing.T) {
	p := cat(0x80, 4, stackGlobal("torch.storage", "_load_from_bytes"), "(", raw(calls("os", "system", "id")), "tR0", opGlobalOf("a", "one"), "0",
		opGlobalOf("b", "two"), ".")
	r, err := ScanReader(t.Context(), "model.pkl", bytes.NewReader(p), int64(len(p)), Options{Findings: 1})
	if err != nil || r.Verdict != Fail || len(r.Findings) != 1 || r.Dropped != 2 {
		t.Errorf("%v %s %+v, %d dropped", err, r.Verdict, r.Findings, r.Dropped)
	}
}
