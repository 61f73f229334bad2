package repo

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// cells is a notebook of code cells, each with results, as a program writes it.
func cells(t *testing.T, extra map[string]any, out string, sources ...string) string {
	t.Helper()
	list := []any{}
	for i, s := range sources {
		cell := map[string]any{"cell_type": "code", "source": []string{s}, "id": string(rune('a' + i)), "metadata": map[string]any{"tags": []string{"x"}}}
		if out == "" {
			cell["outputs"], cell["execution_count"] = []any{}, nil
		} else {
			cell["outputs"] = []any{map[string]any{"output_type": "stream", "name": "stdout", "text": []string{out}}}
			cell["execution_count"] = len(out)
			cell["metadata"] = map[string]any{"execution": map[string]any{"iopub.status.busy": out}, "tags": []string{"x"}}
		}
		list = append(list, cell)
	}
	document := map[string]any{"cells": list, "nbformat": 4, "nbformat_minor": 5, "metadata": extra}
	text, err := json.MarshalIndent(document, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

// applied is the work tree that a clean checkout of the commit and the patch make.
func applied(t *testing.T, r *Repo, p Patch) string {
	t.Helper()
	clean := filepath.Join(t.TempDir(), "clean")
	gitIn(t, r.WorkTree, "worktree", "add", "-q", "--detach", clean, "HEAD")
	if len(p.Text) > 0 {
		file := filepath.Join(t.TempDir(), "patch")
		writeFile(t, file, string(p.Text))
		gitIn(t, clean, "apply", "--check", file)
		gitIn(t, clean, "apply", file)
	}
	return clean
}

func read(t *testing.T, name ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(name...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sources are the code cells of a notebook.
func sources(t *testing.T, text string) []string {
	t.Helper()
	var n struct {
		Cells []struct{ Source []string } `json:"cells"`
	}
	if err := json.Unmarshal([]byte(text), &n); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	var all []string
	for _, c := range n.Cells {
		all = append(all, strings.Join(c.Source, ""))
	}
	return all
}

func TestPatchOfNotebooks(t *testing.T) {
	r := newProject(t)
	at := func(name string) string { return filepath.Join(r.Root, name) }
	writeFile(t, at("nb/ran.ipynb"), cells(t, nil, "", "x = 1", "print(x)"))
	writeFile(t, at("nb/changed.ipynb"), cells(t, nil, "old result", "x = 1", "print(x)"))
	writeFile(t, at("nb/gone.ipynb"), cells(t, nil, "", "bye"))
	writeFile(t, at("broken.ipynb"), "{\n")
	writeFile(t, at("train.py"), "print(1)\n")
	commit(t, r, "one")

	widgets := map[string]any{"widgets": map[string]any{"state": "secret state"}, "kernelspec": map[string]any{"name": "python3"}}
	writeFile(t, at("nb/ran.ipynb"), cells(t, map[string]any{"widgets": "secret state"}, "NEW RESULT", "x = 1", "print(x)"))
	ran, err := r.Patch(t.Context())
	if err != nil || strings.Contains(string(ran.Text), "NEW RESULT") {
		t.Fatalf("%s %v", ran.Text, err)
	}

	writeFile(t, at("nb/ran.ipynb"), cells(t, nil, "NEW RESULT", "x = 1", "print(x)"))
	if p, err := r.Patch(t.Context()); err != nil || len(p.Text) > 0 || p.LeftOut != nil {
		t.Fatalf("a notebook that only ran: %s %v", p.Text, err)
	}

	writeFile(t, at("nb/changed.ipynb"), cells(t, widgets, "NEW RESULT", "x = 1", "print(x + 1)"))
	writeFile(t, at("nb/new ö.ipynb"), cells(t, widgets, "NEW RESULT", "fresh"))
	gitIn(t, r.Root, "add", "nb/new ö.ipynb")
	writeFile(t, at("broken.ipynb"), "{ more\n")
	writeFile(t, at("train.py"), "print(2)\n")
	if err := os.Remove(at("nb/gone.ipynb")); err != nil {
		t.Fatal(err)
	}
	p, err := r.Patch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, leak := range []string{"NEW RESULT", "secret state"} {
		if strings.Contains(string(p.Text), leak) {
			t.Errorf("%q is in the patch:\n%s", leak, p.Text)
		}
	}
	clean := applied(t, r, p)
	if got, want := sources(t, read(t, clean, "nb/changed.ipynb")), []string{"x = 1", "print(x + 1)"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := read(t, clean, "nb/changed.ipynb"); !strings.Contains(got, "old result") || !strings.Contains(got, "kernelspec") {
		t.Errorf("what the commit has for the same code stays, and the rest of the metadata:\n%s", got)
	}
	if got, want := sources(t, read(t, clean, "nb/new ö.ipynb")), []string{"fresh"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if read(t, clean, "train.py") != "print(2)\n" || read(t, clean, "broken.ipynb") != "{ more\n" {
		t.Error("other files are as in the work tree")
	}
	if _, err := os.Stat(filepath.Join(clean, "nb/gone.ipynb")); err == nil {
		t.Error("a notebook that was removed came back")
	}
}

func TestPatchBelowTheTop(t *testing.T) {
	r := newProject(t)
	writeFile(t, filepath.Join(r.Root, "sub/mlx.yaml"), "ledger: 00000000000000aa\n")
	writeFile(t, filepath.Join(r.Root, "sub/a.ipynb"), cells(t, nil, "", "x = 1"))
	commit(t, r, "one")
	inner := findRepo(t, filepath.Join(r.Root, "sub"))
	writeFile(t, filepath.Join(r.Root, "sub/a.ipynb"), cells(t, nil, "out", "x = 2"))
	p, err := inner.Patch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := sources(t, read(t, applied(t, r, p), "sub/a.ipynb")); !slices.Equal(got, []string{"x = 2"}) {
		t.Errorf("%q", got)
	}
}

func TestPatchHoldsNoSecrets(t *testing.T) {
	r := newProject(t)
	files := []string{".env", "sub/.env.production", "deploy/server.KEY", "id_rsa", "config.py", ".env.example", "id_rsa.pub"}
	for _, f := range files {
		writeFile(t, filepath.Join(r.Root, f), "before\n")
	}
	commit(t, r, "one")
	for _, f := range files {
		writeFile(t, filepath.Join(r.Root, f), "after of "+f+"\n")
	}
	p, err := r.Patch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{".env", "deploy/server.KEY", "id_rsa", "sub/.env.production"}, p.LeftOut); diff != "" {
		t.Error(diff)
	}
	clean := applied(t, r, p)
	for _, f := range files {
		want := "after of " + f + "\n"
		if slices.Contains(p.LeftOut, f) {
			want = "before\n"
			if strings.Contains(string(p.Text), "after of "+f+"\n") {
				t.Errorf("%s is in the patch", f)
			}
		}
		if got := read(t, clean, f); got != want {
			t.Errorf("%s: %q, want %q", f, got, want)
		}
	}
}

func TestSort(t *testing.T) {
	r := newProject(t)
	for _, f := range []string{
		"new.py", "sub/new.py", ".env", ".env.example", "key.pem", "venv/pyvenv.cfg", "venv/lib/a.py", "conda/conda-meta/history", "conda/bin/x",
		"web/node_modules/a/b.js", "__pycache__/a.pyc", "data/flights/one.csv", "secret.txt",
	} {
		writeFile(t, filepath.Join(r.Root, f), "text\n")
	}
	writePointer(t, filepath.Join(r.Root, "data/flights.mlx"), "one")
	big := filepath.Join(r.Root, "big.bin")
	writeFile(t, big, "")
	if err := os.Truncate(big, maxKeptFile+1); err != nil {
		t.Fatal(err)
	}
	gitIn(t, r.Root, "init", "-q", "nested")
	writeFile(t, filepath.Join(r.Root, "nested/x"), "text\n")
	commitPaths := []string{"mlx.yaml"}
	gitIn(t, r.Root, append([]string{"add"}, commitPaths...)...)
	names, err := r.Untracked(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	keep, out := r.Sort(names)
	if diff := cmp.Diff([]string{".env.example", "new.py", "secret.txt", "sub/new.py"}, keep); diff != "" {
		t.Error(diff)
	}
	got := map[string]string{}
	for _, l := range out {
		got[l.Path] = l.Why
	}
	want := map[string]string{
		".env": "may hold secrets", "key.pem": "may hold secrets", "venv": "virtual environment", "conda": "conda environment",
		"web/node_modules": "packages", "__pycache__": "cache", "data/flights": "tracked data", "big.bin": "more than 100 MB",
		"nested": "a repository of its own",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(out) != len(want) {
		t.Errorf("a folder is named more than once: %v", out)
	}
}

func TestSortCaps(t *testing.T) {
	files := []keptFile{{"large", maxKeptAll - 10}, {"b", 11}, {"a", 5}}
	kept, out := withinBounds(files)
	if len(kept) != 2 || len(out) != 1 || out[0].Path != "large" || out[0].Why == "" {
		t.Errorf("%v %v: the small ones come first", kept, out)
	}
	many := make([]keptFile, maxKeptFiles+3)
	if kept, out := withinBounds(many); len(kept) != maxKeptFiles || len(out) != 3 {
		t.Errorf("%d kept, %d left out", len(kept), len(out))
	}
}

func FuzzNotebook(f *testing.F) {
	f.Add([]byte(`{"cells":[{"cell_type":"code","source":"x","outputs":[1],"execution_count":3,"metadata":{"execution":{},"a":1}}],"metadata":{"widgets":{}}}`),
		[]byte(`{"cells":[]}`))
	f.Add([]byte(`{"cells":[{"metadata":{"a":1,"execution":2}},{}],"metadata":{"a":2,"widgets":1,"b":3}}`), []byte(`{"cells":[{"outputs":"[]"}]}`))
	f.Add([]byte(`{"cells":[[1],"x",{"source":{"outputs":1}}],"metadata":[]}`), []byte(`{"cells":{}}`))
	f.Fuzz(func(t *testing.T, head, file []byte) {
		clean, _, err := withoutResults(head, file)
		if err != nil {
			return
		}
		if !json.Valid(clean) {
			t.Fatalf("no JSON any more: %s", clean)
		}
		if _, changed, err := withoutResults(file, file); err != nil || changed {
			t.Errorf("a notebook differs from itself: %v", err)
		}
	})
}
