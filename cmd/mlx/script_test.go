package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"mlx/internal/cli"
)

// TestMain lets the test binary be mlx itself: a script's `exec mlx` runs this build.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"asking":       askingMain,
		"call":         callMain,
		"drifted":      driftedMain,
		"holding":      holdingMain,
		"jobfolder":    jobFolderMain,
		"jumping":      jumpingMain,
		"makecert":     certMain,
		"meet":         meetMain,
		"mlx":          main,
		"modelserver":  modelServerMain,
		"predicted":    predictedMain,
		"registry":     registryMain,
		"runtime":      runtimeMain,
		"servedmodel":  servedModelMain,
		"serving":      servingMain,
		"visiting":     visitingMain,
		"wrongpackage": wrongPackageMain,
	})
}

func TestScripts(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Fatal("the scripts need git")
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Setup:               isolate,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// isolate keeps a script from the settings of whoever runs it, and gives git an author.
func isolate(env *testscript.Env) error {
	home := filepath.Join(env.WorkDir, ".home")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	config := "[user]\n\tname = Ana\n\temail = ana@example.com\n[init]\n\tdefaultBranch = main\n[core]\n\tautocrlf = false\n" +
		"[commit]\n\tgpgSign = false\n"
	if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte(config), 0o644); err != nil {
		return err
	}
	ignored := filepath.Join(home, ".config", "git")
	if err := os.MkdirAll(ignored, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(ignored, "ignore"), []byte("/.home/\n"), 0o644); err != nil { // it lies in the work tree of most scripts
		return err
	}
	env.Setenv("HOME", home)
	env.Setenv("USERPROFILE", home)
	env.Setenv("XDG_CONFIG_HOME", filepath.Join(home, ".config"))
	env.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	env.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(env.WorkDir))
	env.Setenv("LOGNAME", "ana")
	env.Setenv("TERM", "xterm")
	env.Setenv("NO_COLOR", "")
	return nil
}

// TestExamplesAreScripts: whatever help shows as an example is run by a script, word for word.
func TestExamplesAreScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	run := make(map[string]bool)
	for _, p := range paths {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "!"))
			line = strings.TrimSpace(strings.TrimPrefix(line, "?"))
			if command, ok := strings.CutPrefix(line, "exec "); ok {
				run[unquoted(command)] = true
			}
		}
	}
	eachCommand(newRoot(newApp(nil, cli.Discard())), func(c *cobra.Command) {
		if c.Runnable() && c.Example == "" && !c.Hidden && c.Name() != "help" && !c.HasSubCommands() && c.HasParent() {
			t.Errorf("%s has no example", c.CommandPath())
		}
		for line := range strings.Lines(c.Example) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), "   #")
			if line != "" && !run[unquoted(line)] {
				t.Errorf("no script runs the example of %s: %s", c.CommandPath(), line)
			}
		}
	})
}

// unquoted drops quotes: a script quotes in its own way.
func unquoted(s string) string { return strings.NewReplacer(`"`, "", `'`, "").Replace(s) }

func eachCommand(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		eachCommand(sub, visit)
	}
}
