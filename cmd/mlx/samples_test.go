package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/repo"
)

func TestFirstRows(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	for _, c := range []struct {
		name string
		form form
		n    int
		text string
		want string
	}{
		{"csv", csvForm, 2, "a,b\n1,2\n3,4\n5,6\n", "a,b\n1,2\n3,4\n"},
		{"fewer", csvForm, 9, "a,b\n1,2\n", "a,b\n1,2\n"},
		{"no last line end", csvForm, 1, "a\n1", "a\n1"},
		{"line end in quotes", csvForm, 1, "a,b\n1,\"x\ny\"\n3,4\n", "a,b\n1,\"x\ny\"\n"},
		{"quotes in quotes", csvForm, 1, "a\n\"x\"\"\n\"\"y\"\n2\n", "a\n\"x\"\"\n\"\"y\"\n"},
		{"a quote inside a word", csvForm, 1, "a\n5\" pipe\n2\n", "a\n5\" pipe\n"},
		{"heading with a line end", csvForm, 1, "\"a\nb\",c\r\n1,2\r\n3,4\r\n", "\"a\nb\",c\r\n1,2\r\n"},
		{"mark", csvForm, 1, "\ufeff\"a\nb\"\n1\n2\n", "\ufeff\"a\nb\"\n1\n"},
		{"long", csvForm, 1, "a\n\"" + long + "\n" + long + "\"\n2\n", "a\n\"" + long + "\n" + long + "\"\n"},
		{"long without quotes", csvForm, 1, "a\n" + long + "\n2\n", "a\n" + long + "\n"},
		{"empty", csvForm, 1, "", ""},
		{"tsv", tsvForm, 1, "a\tb\n\"1\t2\n3\t4\n", "a\tb\n\"1\t2\n"},
		{"json lines", jsonForm, 2, "{\"a\":1}\n{\"a\":\"\\n\"}\n{}\n", "{\"a\":1}\n{\"a\":\"\\n\"}\n"},
	} {
		var out strings.Builder
		if err := firstRows(&out, strings.NewReader(c.text), c.form, c.n); err != nil || out.String() != c.want {
			t.Errorf("%s: %.80q %v", c.name, out.String(), err)
		}
	}
}

func TestMakeSample(t *testing.T) {
	dir := inGit(t, map[string]string{
		"mlx.yaml": "ledger: 7f3a90c2d15e4b68\nstages:\n  a: {cmd: x, deps: [data/flights, one.csv, made, raw.parquet, gone.csv, bad]}\nsamples:\n" +
			"  data/flights: {rows: 1}\n  one.csv: {path: testdata/one.csv}\n  made: {cmd: 'mkdir \"$MLX_SAMPLE\" && echo hi > \"$MLX_SAMPLE/f\"; echo noise'}\n" +
			"  raw.parquet: {rows: 3}\n  gone.csv: {rows: 3}\n  bad: {cmd: \"true\"}\n",
		"data/flights/2013/a.csv": "h\n1\n2\n", "data/flights/b.jsonl": "{}\n{}\n", "data/flights/README": "text\ntext\n",
		"testdata/one.csv": "h\n9\n", "raw.parquet": "PAR1",
	})
	a := newApp(nil, cli.Discard())
	all, err := a.samples(t.Context())
	if err != nil || len(all) != 6 {
		t.Fatalf("%v %v", all, err)
	}
	out := filepath.Join(t.TempDir(), "work")
	for _, input := range []string{"data/flights", "one.csv", "made"} {
		if err := a.makeSample(t.Context(), input, all[input], filepath.Join(out, filepath.FromSlash(input))); err != nil {
			t.Errorf("%s: %v", input, err)
		}
	}
	for name, want := range map[string]string{"data/flights/2013/a.csv": "h\n1\n", "data/flights/b.jsonl": "{}\n", "data/flights/README": "text\ntext\n",
		"one.csv": "h\n9\n", "made/f": "hi\n"} {
		if got, err := os.ReadFile(filepath.Join(out, filepath.FromSlash(name))); err != nil || string(got) != want {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	for input, want := range map[string]string{
		"raw.parquet": "cannot make the sample of raw.parquet: rows can be taken of .csv, .tsv, .jsonl and .ndjson, not of raw.parquet",
		"gone.csv":    "cannot make the sample of gone.csv: it is not here",
		"bad":         `cannot make the sample of bad: "true" wrote nothing at $MLX_SAMPLE`,
	} {
		err := a.makeSample(t.Context(), input, all[input], filepath.Join(out, input))
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v", input, err)
		}
	}
	// The command of a sample is somebody else's in a clone.
	clone := filepath.Join(t.TempDir(), "clone")
	git(t, dir, "clone", "-q", dir, clone)
	t.Chdir(clone)
	err = newApp(nil, cli.Discard()).makeSample(t.Context(), "bad", all["bad"], filepath.Join(out, "bad2"))
	if fault.KindOf(err) != fault.Denied || !strings.HasPrefix(err.Error(), "cannot run sample bad: mlx.yaml says") {
		t.Errorf("%v", err)
	}
}

func TestSampleMistakes(t *testing.T) {
	for _, c := range []struct{ samples, message, hint string }{
		{"data: {rows: 1}", "cannot read mlx.yaml: line 5, column 9: the sample data stands in for nothing: no stage reads it", `did you mean "data.csv"? inputs are data.csv`},
		{"m: {rows: 1}", "cannot read mlx.yaml: line 5, column 6: m is made by stage a and needs no sample", "edit mlx.yaml   # samples stand in for what no stage makes"},
	} {
		inGit(t, map[string]string{"mlx.yaml": "ledger: 7f3a90c2d15e4b68\nstages:\n  a: {cmd: x, deps: [data.csv], outs: [m]}\nsamples:\n  " + c.samples + "\n"})
		_, err := newApp(nil, cli.Discard()).samples(t.Context())
		if err == nil || err.Error() != c.message || strings.Join(fault.Hints(err), "\n") != c.hint {
			t.Errorf("%v\n%q", err, fault.Hints(err))
		}
	}
	var s repo.Sample
	if item := s.TrustItem("x"); item.Value != "" {
		t.Errorf("%+v", item)
	}
}
