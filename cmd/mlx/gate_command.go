package main

import (
	"bytes"
	"context"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/repo"
	"mlx/internal/run"
)

// command runs a command of a gate in the root of the project.
func (w gateWorld) command(ctx context.Context, c gate.Call) (gate.Reply, error) {
	tool, err := w.tool(ctx, c)
	if err != nil {
		return gate.Reply{}, err
	}
	return runCall(ctx, tool, c)
}

// runCall runs a command to its end.
func runCall(ctx context.Context, tool run.Tool, c gate.Call) (gate.Reply, error) {
	tool.Stdin, tool.Timeout, tool.Most = bytes.NewReader(c.Stdin), c.Timeout, gate.MaxReply
	end, err := tool.Run(ctx)
	if err != nil {
		return gate.Reply{}, err
	}
	return gateReply(end), nil
}

func gateReply(end run.ToolEnd) gate.Reply {
	return gate.Reply{Status: end.Status, Stdout: end.Stdout, Stderr: end.Stderr, TimedOut: end.TimedOut, TooLong: end.TooLong,
		CPU: end.Usage.CPU, Memory: end.Usage.Memory}
}

// tool is a command of a gate as it is executed: by the shell, in the root of the project, with variables that say what is judged.
func (w gateWorld) tool(ctx context.Context, c gate.Call) (run.Tool, error) {
	if err := w.mayRun(ctx, repo.TrustCheck, c.Command, c); err != nil {
		return run.Tool{}, err
	}
	r, err := w.app.repo()
	if err != nil {
		return run.Tool{}, err
	}
	env := append(slices.Clone(w.app.environ), c.Env...)
	if w.run != nil {
		env = append(env, "MLX_GATE_FOR="+w.run.ID, "MLX_GATE_RUN="+w.run.ID)
	} else {
		env = append(env, "MLX_GATE_FOR="+w.typed)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Files)) {
		path, err := w.laidOut(ctx, c.Files[name])
		if err != nil {
			return run.Tool{}, err
		}
		env = append(env, name+"="+path)
	}
	model, err := w.laidOutModel(ctx)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return run.Tool{}, err
	}
	if err != nil {
		w.app.streams.Why("MLX_GATE_MODEL is not set: %v", err)
	} else {
		env = append(env, "MLX_GATE_MODEL="+model)
	}
	return run.Tool{Argv: shellCommand(c.Command), Dir: r.Root, Env: env}, nil
}

// mayRun refuses a command or an address that the user has not allowed. His own words need no leave: those of a file that he named with
// --file, and those of mlx.yaml that were written here (see repo.OwnWords). A rule of another repository is allowed as that file is.
func (w gateWorld) mayRun(ctx context.Context, kind, value string, c gate.Call) error {
	if c.Pinned == "" && w.file != "" && w.file != repo.ConfigName && c.File == w.file {
		return nil
	}
	config, err := w.app.config()
	if err != nil {
		return err
	}
	var fits []repo.TrustItem
	for _, i := range config.GateTrust() {
		if c.Pinned == "" && i.Kind == kind && i.Value == value || c.Pinned != "" && i.Kind == repo.TrustGates && i.Value == c.Pinned {
			fits = append(fits, i)
		}
	}
	t, err := w.app.allowed()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(fits, func(i repo.TrustItem) bool { return t.Approved(i.Kind, i.Name, i.Value) }) {
		return nil
	}
	if len(fits) > 0 {
		if own, err := w.app.ownWords(ctx, t, fits); err != nil || len(own) > 0 {
			return err
		}
	}
	what := "run"
	if kind == repo.TrustModel {
		what, value = "send rows to", shownURL(value)
	}
	refused := fault.New(fault.Denied, "cannot %s %q: %s says so, and you have not allowed it here", what, value, c.File)
	if len(fits) == 0 {
		return refused.Hint("write the check into %s   # what a file beside it includes cannot be allowed", repo.ConfigName)
	}
	return refused.Hint("mlx trust   # shows it and asks")
}

// laidOut is the path of a table or file of the gate, as a command can open it: where it stands, else a copy.
func (w gateWorld) laidOut(ctx context.Context, where string) (string, error) {
	typed := w.spelled(where)
	if there(typed) {
		return filepath.Abs(typed)
	}
	found, err := w.files(ctx, where)
	if err != nil {
		return "", err
	}
	dir, err := w.app.tempFolder()
	if err != nil {
		return "", err
	}
	for _, f := range found.files {
		if err := copyTableFile(ctx, f, dir); err != nil {
			return "", err
		}
	}
	if len(found.files) == 1 {
		dir = filepath.Join(dir, filepath.Base(found.files[0].Name))
	}
	return dir, nil
}

// serveGrace is how long a server may take to end once it is asked to.
const serveGrace = 5 * time.Second
