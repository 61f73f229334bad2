//go:build interop

package repo

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDvcInterop holds that the real dvc takes every fixture, calls its stages as mlx does and fills in the same commands.
// MLX_TEST_DVC is a Python that has dvc: $(.ci/python bench/requirements.txt).
func TestDvcInterop(t *testing.T) {
	python := os.Getenv("MLX_TEST_DVC")
	if python == "" {
		t.Fatal("MLX_TEST_DVC is not set: export MLX_TEST_DVC=$(.ci/python bench/requirements.txt)")
	}
	for _, name := range []string{"get-started", "foreach", "matrix", "folders"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS("testdata/dvc/"+name)); err != nil {
				t.Fatal(err)
			}
			dvc := func(args ...string) string {
				cmd := exec.CommandContext(t.Context(), python, append([]string{"-m", "dvc"}, args...)...)
				cmd.Dir, cmd.Env = dir, append(os.Environ(), "DVC_NO_ANALYTICS=1")
				var errs bytes.Buffer
				cmd.Stderr = &errs
				out, err := cmd.Output()
				if err != nil {
					t.Fatalf("dvc %v: %v\n%s", args, err, errs.String())
				}
				return string(out)
			}
			dvc("init", "-q", "--no-scm")
			p := dvcFixture(t, name)
			names := strings.Fields(dvc("stage", "list", "--name-only", "-R", "."))
			names = slices.DeleteFunc(names, func(n string) bool { return strings.HasSuffix(n, ".dvc") })
			var ours, ourCommands []string
			for _, s := range p.Steps {
				ours = append(ours, s.Name)
				if !s.Frozen {
					ourCommands = append(ourCommands, strings.Split(strings.TrimSuffix(strings.TrimPrefix(s.Cmd, "( "), " )"), " ) && ( ")...)
				}
			}
			slices.Sort(names)
			slices.Sort(ours)
			if diff := cmp.Diff(names, ours); diff != "" {
				t.Errorf("names, dvc's and ours: %s", diff)
			}
			var commands []string
			for line := range strings.Lines(dvc("repro", "--dry", "--force")) {
				if cmd, ok := strings.CutPrefix(line, "> "); ok {
					commands = append(commands, strings.TrimSuffix(cmd, "\n"))
				}
			}
			slices.Sort(commands)
			slices.Sort(ourCommands)
			if diff := cmp.Diff(commands, ourCommands); diff != "" {
				t.Errorf("commands, dvc's and ours: %s", diff)
			}
		})
	}
}
