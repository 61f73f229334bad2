package export

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/fault"
	"mlx/internal/pipeline"
)

// hostile are names that mean something to a shell, to YAML, to a template or to cron.
func hostile() []string {
	return []string{
		"train@depth=6,seed=1", "train@depth-6,seed-1", "a b", "it's", `say "hi"`, "back\\slash", "two\nlines", "${{ secrets.TOKEN }}",
		"{{workflow.name}}", "{{= 1 + 1 }}", "{% raw %}", "{# no #}", "$(touch owned)", "`touch owned`", "$HOME", "$$", "%d 50%", "- x", "-q", "--help",
		"# no comment", ": ", "? x", "&a *a", "!!python/object", "| >", "true", "Null", "~", "1e3", "0x10", ".5", "a.sh", "ünïcode 日本",
		"nel\u0085end", "ls\u2028end", "bom\ufeff", "tab\tend", "'; touch owned; '", "image", "before_script", "pages", strings.Repeat("long", 60), "A", "a",
		"\\N{SNOWMAN}", "\"\"\"", "x-1", "1", "", "'''", "{{{{}}}}", "$''{", "\r\n",
	}
}

// pipelineOf is a pipeline in which each stage needs the one before it.
func pipelineOf(names ...string) []pipeline.Stage {
	var all []pipeline.Stage
	for i, name := range names {
		s := pipeline.Stage{Name: name, Group: name, Folder: ".", Outs: []pipeline.Out{{Path: "work/" + string(rune('a'+i/26)) + string(rune('a'+i%26))}}}
		if i > 0 {
			s.Deps = []string{all[i-1].Outs[0].Path}
		}
		all = append(all, s)
	}
	return all
}

// flights is a pipeline as people write one.
func flights() []pipeline.Stage {
	return []pipeline.Stage{
		{Name: "train@depth=6", Group: "train", Deps: []string{"train.py", "work/features/part.parquet"}, Outs: []pipeline.Out{{Path: "work/model-6.pkl"}},
			Timeout: 40 * time.Minute, Retries: 2},
		{Name: "train@depth=8", Group: "train", Deps: []string{"train.py", "work/features"}, Outs: []pipeline.Out{{Path: "work/model-8.pkl"}}},
		{Name: "features", Group: "features", Deps: []string{"features.py", "data/flights"}, Outs: []pipeline.Out{{Path: "work/features"}}},
		{Name: "report", Group: "report", Deps: []string{"work"}, Outs: []pipeline.Out{{Path: "report.md", InGit: true}}},
	}
}

func site() Site {
	return Site{Name: "flights", Root: "/srv/flights", Folder: ".", GitURL: "https://git.example/acme/flights.git",
		Secrets: []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}, Schedule: "15 3 * * mon-fri", Image: "img.example/flights:1"}
}

// update rewrites the golden files; look at the difference before it is committed.
var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden compares each form with a file that was read by a person and checked against the published schemas.
func TestGolden(t *testing.T) {
	check := func(t *testing.T, name string, files []File, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, f := range files {
			text += "== " + f.Name + " ==\n" + f.Text
		}
		golden := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), text); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for _, form := range PipelineForms() {
		files, err := Pipeline(form, flights(), site())
		check(t, form, files, err)
	}
	for _, form := range TaskForms() {
		files, err := Scheduled(form, StageTask("train"), site())
		check(t, "stage-"+form, files, err)
		files, err = Scheduled(form, MonitorTask("flights-daily", "America/New_York"), site())
		check(t, "monitor-"+form, files, err)
	}
}

// TestMonitorOpensIssues: a job that opens issues is given the right and the token, and no other job is.
func TestMonitorOpensIssues(t *testing.T) {
	for _, form := range []string{"github", "cronjob"} {
		for _, issues := range []bool{false, true} {
			s := site()
			s.Issues = issues
			files, err := Scheduled(form, MonitorTask("flights-daily", ""), s)
			if err != nil {
				t.Fatal(err)
			}
			text := files[0].Text
			if has := strings.Contains(text, "GITHUB_TOKEN"); has != issues {
				t.Errorf("%s, issues %v: GITHUB_TOKEN %v\n%s", form, issues, has, text)
			}
			if has := strings.Contains(text, "  issues: write\n"); has != (issues && form == "github") {
				t.Errorf("%s, issues %v: issues: write %v\n%s", form, issues, has, text)
			}
		}
	}
}

func TestSameInputSameBytes(t *testing.T) {
	for _, form := range PipelineForms() {
		first, err := Pipeline(form, pipelineOf(hostile()...), site())
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			again, err := Pipeline(form, pipelineOf(hostile()...), site())
			if diff := cmp.Diff(first, again); diff != "" || err != nil {
				t.Fatalf("%s %v", diff, err)
			}
		}
	}
}

func TestEdges(t *testing.T) {
	got, err := edgesOf(flights())
	if diff := cmp.Diff([][]int{{2}, {2}, nil, {0, 1, 2}}, got); diff != "" || err != nil {
		t.Errorf("%s %v", diff, err)
	}
	loop := flights()
	loop[2].Deps = []string{"report.md"}
	if _, err := edgesOf(loop); fault.KindOf(err) != fault.Usage {
		t.Errorf("a cycle: %v", err)
	}
	everything := []pipeline.Stage{{Name: "a", Outs: []pipeline.Out{{Path: "x"}}}, {Name: "b", Deps: []string{"."}}, {Name: "c", Deps: []string{"xy", "x-y"}}}
	if got, err := edgesOf(everything); err != nil || len(got[1]) != 1 || len(got[2]) != 0 {
		t.Errorf("%v %v", got, err)
	}
}

func TestIdentifiers(t *testing.T) {
	good := regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*[A-Za-z0-9]$|^[A-Za-z]$`)
	names := append(hostile(), "a-b", "a@b", "a-b-0123456789ab", "train")
	seen := make(map[string]string)
	for i, id := range identifiers(names) {
		if other, taken := seen[strings.ToLower(id)]; taken {
			t.Errorf("%q and %q are both %s", other, names[i], id)
		}
		seen[strings.ToLower(id)] = names[i]
		if !good.MatchString(id) || len(id) > 59 || reserved(id) {
			t.Errorf("%q is %q", names[i], id)
		}
	}
	if seen["train"] != "train" {
		t.Errorf("a plain name is changed: %v", seen)
	}
}

// TestShellWords asks a real shell what it makes of each word.
func TestShellWords(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh")
	}
	for _, name := range hostile() {
		word := shellWord(name)
		out, err := exec.Command(sh, "-c", "printf '%s.' "+word).Output() //nolint:gosec // the shell is what is tested
		if err != nil || string(out) != name+"." {
			t.Errorf("%q became %q: sh reads %q, %v", name, word, out, err)
		}
		for _, sign := range []string{"{{", "}}", "${", "$(", "{%", "{#"} {
			if strings.Contains(word, sign) {
				t.Errorf("%q became %q, which has %s in it", name, word, sign)
			}
		}
	}
}

func TestReproNeverReadsANameAsAFlag(t *testing.T) {
	for name, want := range map[string]string{"train": "mlx repro train --only", "--help": "mlx repro --only -- --help", "-q": "mlx repro --only -- -q"} {
		if got := repro(name, "--only"); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func() error
		kind fault.Kind
	}{
		{"no stages", func() error { _, err := Pipeline("github", nil, site()); return err }, fault.NotFound},
		{"unknown form", func() error { _, err := Pipeline("jenkins", flights(), site()); return err }, fault.Usage},
		{"unknown form of a stage", func() error { _, err := Scheduled("at", StageTask("train"), site()); return err }, fault.Usage},
		{"secret with a value", func() error {
			s := site()
			s.Secrets = []string{"TOKEN=1"}
			_, err := Pipeline("github", flights(), s)
			return err
		}, fault.Usage},
		{"image with a space", func() error { s := site(); s.Image = "a b"; _, err := Pipeline("github", flights(), s); return err }, fault.Usage},
		{"cronjob without an image", func() error {
			s := site()
			s.Image = ""
			_, err := Scheduled("cronjob", StageTask("train"), s)
			return err
		}, fault.Usage},
		{"cronjob without a remote", func() error {
			s := site()
			s.GitURL = ""
			_, err := Scheduled("cronjob", StageTask("train"), s)
			return err
		}, fault.Usage},
		{"crontab of two lines", func() error { _, err := Scheduled("crontab", StageTask("a\n* * * * * rm"), site()); return err }, fault.Usage},
		{"systemd of two lines", func() error { _, err := Scheduled("systemd", StageTask("a\nExecStart=rm"), site()); return err }, fault.Usage},
		{"a zone of two lines", func() error {
			_, err := Scheduled("crontab", MonitorTask("m", "UTC\n* * * * * rm"), site())
			return err
		}, fault.Usage},
		{"NUL of a monitor", func() error { _, err := Scheduled("systemd", MonitorTask("a\x00", ""), site()); return err }, fault.Usage},
		{"NUL", func() error { _, err := Pipeline("airflow", pipelineOf("a\x00b"), site()); return err }, fault.Usage},
	} {
		if err := c.do(); fault.KindOf(err) != c.kind {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestCrontabEscapesPercent(t *testing.T) {
	s := site()
	s.Root = "/srv/50%"
	files, err := Scheduled("crontab", StageTask("a%b c"), s)
	want := "15 3 * * 1-5  cd '/srv/50\\%' && mlx repro 'a\\%b c' -q\n"
	if err != nil || files[0].Text != want {
		t.Errorf("%q %v, want %q", files, err, want)
	}
}
