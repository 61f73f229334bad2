package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/run"
)

// lookAround compares what surrounds the command here with what surrounded it then. Nothing of it stops a repeat.
func (j *rerunJob) lookAround(ctx context.Context) error {
	m := j.body.Machine
	if here := runtime.GOOS + " " + runtime.GOARCH; m.OS+" "+m.Arch != here {
		j.need(fmt.Sprintf("machine: %s %s wanted, %s found", m.OS, m.Arch, here), "")
	}
	if cpu := run.CPUModel(); m.CPU != "" && cpu != "" && cpu != m.CPU {
		j.need(fmt.Sprintf("machine: %s wanted, %s found", m.CPU, cpu), "")
	}
	if j.body.Environment == nil {
		return nil
	}
	found, err := j.around(ctx)
	if err != nil {
		return err
	}
	j.here = found.Environment
	for name, value := range j.body.Environment.Variables {
		if !run.TellsPlace(name) && !restorable(name, value) {
			j.need(fmt.Sprintf("variable %s was not recorded: it looks like a secret, or is long", name), "")
		}
	}
	if err := j.lookPackages(ctx, found.Packages); err != nil {
		return err
	}
	for _, c := range run.CompareEnvironment(j.body.Environment, j.here) {
		switch kind, _, _ := strings.Cut(c.Key, "."); {
		case c.Key == "python.version":
			j.need("python: "+wantedFound(c.A, c.B), "")
		case kind == "gpus", kind == "gpu", kind == "container":
			j.need(strings.ReplaceAll(c.Key, ".", " ")+": "+wantedFound(c.A, c.B), "")
		}
	}
	return nil
}

// around is what surrounds the command when it starts here. It is not asked for in the tree, which does not exist yet.
func (j *rerunJob) around(ctx context.Context) (run.Found, error) {
	cfg, err := j.app.config()
	if err != nil {
		return run.Found{}, err
	}
	found := run.Around{Command: j.body.Command, Dir: j.repo.Abs(j.body.Folder), Root: j.repo.Root, Environ: j.app.environ,
		Record: cfg.Runs.Env, Params: j.body.Params}.Look()
	if len(j.body.Environment.GPUs) > 0 {
		if gpus := run.AskGPUs(ctx).Answer(); len(gpus) > 0 {
			found.Environment.GPUs = gpus
		}
	}
	return found, nil
}

// wantedFound writes what was and what is: "1.7.2 wanted, 1.7.1 found".
func wantedFound(a, b string) string {
	switch {
	case a == "":
		return "none wanted, " + b + " found"
	case b == "":
		return a + " wanted, absent"
	}
	return a + " wanted, " + b + " found"
}

// maxInstall is how many packages one hint installs.
const maxInstall = 20

// lookPackages compares what is installed for the interpreter.
func (j *rerunJob) lookPackages(ctx context.Context, list []byte) error {
	wanted := j.body.Environment.Python
	if wanted == nil || j.here == nil {
		return nil
	}
	if j.here.Python == nil {
		j.need("python: "+wantedFound(wanted.Version, ""), "")
		return nil
	}
	if wanted.Lock == j.here.Python.Lock {
		return nil
	}
	store, err := j.app.store()
	if err != nil {
		return err
	}
	then, err := run.PackagesOf(ctx, store, wanted)
	if fault.KindOf(err) == fault.NotFound {
		return nil // told already
	}
	if err != nil {
		return err
	}
	differ := run.ComparePackages(then, strings.FieldsFunc(string(list), func(r rune) bool { return r == '\n' }))
	if len(differ) == 0 {
		return nil
	}
	words, install := make([]string, len(differ)), []string{}
	for i, p := range differ {
		words[i] = p.Name + " " + wantedFound(p.A, p.B)
		if p.A != "" && !strings.ContainsAny(p.A, " ,@") && len(install) < maxInstall {
			install = append(install, shellWord(p.Name+"=="+p.A))
		}
	}
	command := ""
	if len(install) > 0 {
		command = installer(wanted.Manager) + " " + strings.Join(install, " ")
	}
	verb := "differ"
	if len(words) == 1 {
		verb = "differs"
	}
	j.need(fmt.Sprintf("packages: %d of %d %s: %s", len(words), wanted.Packages, verb, few(words)), command)
	return nil
}

// installer is what installs packages where the run had them from.
func installer(manager string) string {
	if manager == "uv" {
		return "uv pip install"
	}
	return "pip install"
}
