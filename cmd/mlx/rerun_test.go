package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/cli"
	"mlx/internal/object"
	"mlx/internal/run"
)

func digestOf(t *testing.T, hex string) object.Digest {
	t.Helper()
	d, err := object.ParseDigest(id(hex))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// sampleRerun is that of the sample session.
func sampleRerun(t *testing.T) run.Rejudgement {
	t.Helper()
	original := run.View{State: run.Succeeded, Metrics: map[string]run.Number{"auc": 0.752, "log_loss": 0.431},
		Outputs: []run.ViewOutput{{Path: "model.pkl", Digest: id("1f88d0a5c4e3")}}}
	repeat := run.View{State: run.Succeeded, Metrics: map[string]run.Number{"auc": 0.7520003, "log_loss": 0.431},
		Outputs: []run.ViewOutput{{Path: "model.pkl", Digest: id("0c41d8e2aa90")}}}
	r := run.Rejudgement{
		Comparison: run.Compare(original, []run.View{repeat}, run.Tolerance{Default: run.DefaultTolerance}, nil),
		Of:         digestOf(t, "c7720be4196d"), Runs: []object.Digest{digestOf(t, "e19b730ac554")},
		Missing: []run.Need{{What: "packages: 1 of 41 differs: scikit-learn 1.7.2 wanted, 1.7.1 found"}},
	}
	r.Causes = run.Causes(run.Evidence{Original: original, Repeats: []run.View{repeat}, Compared: r.Comparison, SeedInCode: true,
		Packages: []run.PackageChange{{Name: "scikit-learn", A: "1.7.2", B: "1.7.1"}}})
	return r
}

func TestRerunAsShown(t *testing.T) {
	want := `EQUAL within tolerance  c7720be4196d -> run e19b730ac554
  identical  metrics.log_loss
  equal      metrics.auc       0.752 -> 0.752  (difference 3e-7, tolerance 1e-6)
  different  model.pkl         1f88d0a5c4e3 -> 0c41d8e2aa90  (bytes are shown, metrics decide)
likely cause of different bytes: scikit-learn 1.7.2 -> 1.7.1
`
	shown := func(path string) string { return path }
	got := rendered(t, func(text *cli.Text) { rerunText(sampleRerun(t).View(), shown, text) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRerunPlanAsShown(t *testing.T) {
	j := &rerunJob{original: aRun(t), body: run.Body{Command: []string{"python", "train.py"}, Code: run.Code{Commit: "4c1e9aa" + id("")[:33]}}}
	j.original.RunID = digestOf(t, "c7720be4196d")
	j.need("packages: 1 of 41 differs: scikit-learn 1.7.2 wanted, 1.7.1 found", "pip install scikit-learn==1.7.2")
	want := `would rerun c7720be4196d: python train.py at 4c1e9aa in a clean worktree
  packages  1 of 41 differs: scikit-learn 1.7.2 wanted, 1.7.1 found
`
	if diff := cmp.Diff(want, rendered(t, j.planText)); diff != "" {
		t.Error(diff)
	}
}

// TestNothingIsPutOutside: neither a kept file nor data follows a link out of the tree.
func TestNothingIsPutOutside(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	top, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer top.Close()
	files := fstest.MapFS{"link/x": {Data: []byte("x")}, "good/x": {Data: []byte("x"), Mode: 0o755}, "to": {Data: []byte("link"), Mode: fs.ModeSymlink}}
	for name, fits := range map[string]bool{"link/x": false, "good": true, "good/x": true, "to": true} {
		if name == "good/x" {
			continue // after its folder
		}
		if err := putNamed(top, files, name); (err == nil) != fits {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := putNamed(top, files, "good/x"); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "good", "x")); err != nil || info.Mode()&0o100 == 0 {
		t.Errorf("a program is none any more: %v", err)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("it was written outside: %v %v", entries, err)
	}
	for rel, fits := range map[string]bool{"a/b/c": true, "link/data": false, "good/data": true, "good/x/data": false, "data": true} {
		if err := plainParents(top, rel); (err == nil) != fits {
			t.Errorf("data at %s: %v", rel, err)
		}
	}
}

func putNamed(top *os.Root, files fs.FS, name string) error {
	info, err := fs.Lstat(files, name)
	if err != nil {
		return err
	}
	return put(top, files, name, fs.FileInfoToDirEntry(info))
}
