//go:build interop

package scan

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// reach asks Python what it would import from each file.
func reach(t *testing.T, files [][]byte) [][]string {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, filepath.Join("testdata", "python", "reach.py"))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		w := bufio.NewWriter(in)
		for _, f := range files {
			_ = binary.Write(w, binary.LittleEndian, uint64(len(f)))
			_, _ = w.Write(f)
		}
		_ = w.Flush()
		_ = in.Close()
	}()
	var all [][]string
	for d := json.NewDecoder(out); ; {
		var names []string
		if err := d.Decode(&names); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, names)
	}
	if err := cmd.Wait(); err != nil || len(all) != len(files) {
		t.Fatalf("%v: %d answers for %d files", err, len(all), len(files))
	}
	return all
}

// live returns the names that Python would import and that are not on the list. A name that no module can have is none.
func live(t *testing.T, names []string) []string {
	t.Helper()
	rules, err := theRules()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, n := range names {
		module, name, _ := strings.Cut(n, "\x00")
		if rules.lookup(module, name) == nil && properName().MatchString(module+"."+name) {
			all = append(all, module+"."+name)
		}
	}
	return all
}

// TestPythonAgrees holds that every name that Python would import from a file of the corpus is named in a finding, and that
// the corpus is alive: Python reaches its payload, where Python by itself can read the file.
func TestPythonAgrees(t *testing.T) {
	all := hostiles()
	files := make([][]byte, len(all))
	for i, h := range all {
		files[i] = h.bytes
	}
	reached := 0
	for i, names := range reach(t, files) {
		r := scanBytes(t, all[i].name, files[i])
		for _, name := range live(t, names) {
			reached++
			if !named(r, name) {
				t.Errorf("%s: Python imports %s, the scan does not say so: %+v", all[i].name, name, r.Findings)
			}
		}
	}
	if reached < 90 {
		t.Errorf("Python reached only %d payloads", reached)
	}
}

// damaged changes a file without regard for what it means: bits, bytes, cuts, copies of its own parts, the kind of container.
func damaged(rng *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	for range 1 + rng.IntN(3) {
		if len(b) < 4 {
			break
		}
		i, n := rng.IntN(len(b)), 1+rng.IntN(8)
		switch rng.IntN(8) {
		case 0, 1:
			b[i] ^= 1 << rng.IntN(8)
		case 2:
			const opcodes = "()NRtcibo0129aesudlgpqhr.\x81\x92\x93\x94\x95\x80\x85\x86\x8c\x82"
			b[i] = opcodes[rng.IntN(len(opcodes))]
		case 3:
			b = append(b[:i], b[min(len(b), i+n):]...)
		case 4:
			b = cat(b[:i], b[i:min(len(b), i+n)], b[i:])
		case 5:
			b = cat(b[:i], harmless(rng, instruction{}), b[i:])
		case 6:
			b = append(b, harmless(rng, instruction{})...)
		case 7:
			b = b[:i+1]
		}
	}
	return wrapped(rng, b)
}

// TestDamagedMutants damages every hostile file in many ways, SCAN_MUTANTS=1000 in as many as the measure asks for. Whenever Python still reaches a name that is not on the list,
// the verdict must not be clean.
func TestDamagedMutants(t *testing.T) {
	n := 60
	if v, err := strconv.Atoi(os.Getenv("SCAN_MUTANTS")); err == nil {
		n = v
	}
	alive, missed := 0, 0
	for at, h := range hostiles() {
		rng := rand.New(rand.NewPCG(11, uint64(at)))
		list, rest := disassemble(h.bytes)
		files := make([][]byte, n)
		for i := range files {
			b := h.bytes
			if i%2 == 1 && len(list) > 3 {
				b = mutate(rng, list, rest)
			}
			files[i] = damaged(rng, b)
		}
		for i, names := range reach(t, files) {
			found := live(t, names)
			if len(found) == 0 {
				continue
			}
			alive++
			if r := scanBytes(t, h.name, files[i]); r.Verdict == Pass {
				missed++
				t.Errorf("%s, mutant %d: Python imports %v, and the verdict is %s\n%q", h.name, i, found, r.Verdict, files[i])
			}
		}
		if missed > 20 {
			t.Fatal("too many to go on")
		}
	}
	t.Logf("%d files, %d mutants of them reach a name that is not allowed, %d missed", len(hostiles()), alive, missed)
	if alive == 0 {
		t.Error("no mutant is alive")
	}
}

// TestRealModels fits every estimator of scikit-learn that can be fitted, and models of xgboost and lightgbm, writes each as
// pickle and joblib in 13 forms, and holds that all of them pass.
func TestRealModels(t *testing.T) {
	python := os.Getenv("MLX_TEST_SCAN")
	if python == "" {
		t.Fatal("MLX_TEST_SCAN is not set: export MLX_TEST_SCAN=$(.ci/python cmd/mlx/testdata/python/scan.txt)")
	}
	dir := t.TempDir()
	cmd := exec.Command(python, filepath.Join("testdata", "python", "estimators.py"), dir, "xgboost", "lightgbm")
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	r, err := Scan(context.Background(), os.DirFS(dir), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d files pass: %v", len(r.Files), r.Formats)
	if len(r.Files) < 2000 {
		t.Errorf("only %d files: %s", len(r.Files), said.String())
	}
	for _, f := range r.Findings {
		t.Errorf("%+v", f)
	}
	for _, f := range r.Files {
		if f.Verdict != Pass {
			t.Errorf("%s: %s", f.Path, f.Verdict)
		}
	}
}
