//go:build interop

package export

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/pipeline"
)

// tool is a program that .ci/interop prepares. Without it the test fails: whoever asks for it wants it run.
func tool(t *testing.T, variable string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		t.Fatalf("%s is not set: .ci/interop sets it", variable)
	}
	return path
}

func call(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	out, err := exec.Command(name, args...).Output() //nolint:gosec // the programs that .ci/interop prepares
	if err != nil {
		stderr := ""
		if e, ok := err.(*exec.ExitError); ok { //nolint:errorlint // as it comes from exec
			stderr = string(e.Stderr)
		}
		t.Fatalf("%s %s: %v\n%s%s", filepath.Base(name), strings.Join(args, " "), err, out, stderr)
	}
	return out
}

// place writes files where their target looks for them and returns their paths.
func place(t *testing.T, files []File) []string {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(f.Text), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

// job is a node as the target reads it.
type job struct {
	Needs  []string
	Script string
	Name   string
}

// pipelines are one that people write, one whose names are hostile, and one of a folder with such a name.
func pipelines() map[string]struct {
	stages []pipeline.Stage
	site   Site
} {
	odd := site()
	odd.Folder, odd.Root, odd.PushGit, odd.Image = "it's {{a}} $(b) ${{ c }}", `/srv/"odd" {{a}} %d`, true, ""
	return map[string]struct {
		stages []pipeline.Stage
		site   Site
	}{"plain": {flights(), site()}, "hostile": {pipelineOf(hostile()...), site()}, "odd folder": {flights(), odd}}
}

// TestInteropSchemas holds each form against what its target publishes, and asks what the target would run.
func TestInteropSchemas(t *testing.T) {
	python := tool(t, "MLX_TEST_EXPORT")
	for form, schema := range map[string][]string{
		"github": {"--builtin-schema", "vendor.github-workflows"},
		"gitlab": {"--builtin-schema", "vendor.gitlab-ci"},
		"argo":   {"--schemafile", tool(t, "MLX_TEST_ARGO")},
	} {
		for name, p := range pipelines() {
			t.Run(form+" "+name, func(t *testing.T) {
				files, err := Pipeline(form, p.stages, p.site)
				if err != nil {
					t.Fatal(err)
				}
				path := place(t, files)[0]
				call(t, python, append(append([]string{"-m", "check_jsonschema"}, schema...), path)...)
				var jobs map[string]job
				if err := json.Unmarshal(call(t, python, "testdata/jobs.py", form, path), &jobs); err != nil {
					t.Fatal(err)
				}
				judge(t, p.stages, jobs)
				if form == "github" {
					call(t, tool(t, "MLX_TEST_ACTIONLINT"), "-shellcheck=", "-pyflakes=", path)
				}
			})
		}
	}
}

// TestInteropAirflow imports each DAG file in the real thing, of its second and of its third version.
func TestInteropAirflow(t *testing.T) {
	for _, python := range filepath.SplitList(tool(t, "MLX_TEST_AIRFLOW")) {
		args := []string{"testdata/dag.py"}
		var all [][]pipeline.Stage
		for _, p := range pipelines() {
			files, err := Pipeline("airflow", p.stages, p.site)
			if err != nil {
				t.Fatal(err)
			}
			args, all = append(args, place(t, files)...), append(all, p.stages)
		}
		lines := strings.Split(strings.TrimSpace(string(call(t, python, args...))), "\n")
		var dags []map[string]job
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &dags); err != nil || len(dags) != len(all) {
			t.Fatalf("%v: %s", err, lines)
		}
		for i, tasks := range dags {
			judge(t, all[i], tasks)
		}
	}
}

// judge holds the jobs against the stages: the same edges, and in each job a command that a shell reads as one
// `mlx repro` with the very name of the stage.
func judge(t *testing.T, stages []pipeline.Stage, jobs map[string]job) {
	t.Helper()
	edges, err := edgesOf(stages)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range stages {
		names = append(names, s.Name)
	}
	ids := identifiers(names)
	if len(jobs) != len(stages) {
		t.Errorf("%d jobs of %d stages", len(jobs), len(stages))
	}
	for i, s := range stages {
		want := []string{}
		for _, j := range edges[i] {
			want = append(want, ids[j])
		}
		got := jobs[ids[i]]
		slices.Sort(want)
		slices.Sort(got.Needs)
		if diff := cmp.Diff(want, got.Needs); diff != "" {
			t.Errorf("%s: %s", ids[i], diff)
		}
		if got.Name != "" && got.Name != s.Name {
			t.Errorf("%s is called %q, not %q", ids[i], got.Name, s.Name)
		}
		called(t, got.Script, s.Name)
	}
}

// called runs a script with an mlx that only tells what it was given: which must be one repro of the stage.
func called(t *testing.T, script, stage string) {
	t.Helper()
	fake := "mlx() { for a; do printf '%s\\037' \"$a\"; done; printf '\\036'; }\n"
	out := call(t, "sh", "-c", fake+"MLX_TRUSTED=origin/main\n"+script)
	var got [][]string
	for line := range strings.SplitSeq(string(out), "\x1e") {
		words := strings.Split(strings.TrimSuffix(line, "\x1f"), "\x1f")
		if words[0] != "repro" {
			continue
		}
		words = slices.DeleteFunc(words[1:], func(w string) bool { return w == "--only" || w == "--pull" || w == "--" })
		got = append(got, words)
	}
	want := [][]string{{stage}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%q became %q: %s", stage, script, diff)
	}
}

// TestInteropScheduled holds the forms of a stage against their targets.
func TestInteropScheduled(t *testing.T) {
	python := tool(t, "MLX_TEST_EXPORT")
	for _, stage := range []string{"train", "train@depth=6 'x' ${{ y }} {{ z }} $(w) $$ %d \\n"} {
		for form, check := range map[string]func(string){
			"github": func(path string) {
				call(t, python, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", path)
				call(t, tool(t, "MLX_TEST_ACTIONLINT"), "-shellcheck=", "-pyflakes=", path)
			},
			"cronjob": func(path string) {
				call(t, filepath.Join(filepath.Dir(python), "kubernetes-validate"), "--strict", path)
			},
		} {
			files, err := Scheduled(form, StageTask(stage), site())
			if err != nil {
				t.Fatal(err)
			}
			path := place(t, files)[0]
			check(path)
			var jobs map[string]job
			if err := json.Unmarshal(call(t, python, "testdata/jobs.py", form, path), &jobs); err != nil {
				t.Fatal(err)
			}
			for _, j := range jobs {
				_, command, _ := strings.Cut(j.Script, "mlx pull")
				called(t, command, stage)
			}
		}
		verifyUnits(t, stage)
	}
}

// verifyUnits asks systemd itself, where there is one.
func verifyUnits(t *testing.T, stage string) {
	t.Helper()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("there is no systemd-analyze here")
		return
	}
	files, err := Scheduled("systemd", StageTask(stage), site())
	if err != nil {
		t.Fatal(err)
	}
	if out := call(t, analyze, append([]string{"verify"}, place(t, files)...)...); len(out) > 0 {
		t.Errorf("%s", out)
	}
}
