package main

import (
	"context"
	"errors"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"mlx/internal/fault"
	"mlx/internal/run"
	"mlx/internal/train"
)

func newJobSSH(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "ssh RUN",
		Short: "Open a shell where a run executes",
		Long: `Opens a shell on the node of a run in progress, in the folder that its command works in. What the shell changes there, the
command sees. The status is that of the shell.`,
		Example:           "mlx job ssh @last",
		Args:              cobra.ExactArgs(1),
		Annotations:       map[string]string{troubleStatus: "125"},
		ValidArgsFunction: a.completeJobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return jobSSHRun(cmd.Context(), a, args[0])
		},
	}
}

func jobSSHRun(ctx context.Context, a *app, ref string) error {
	found, err := a.jobOf(ctx, ref)
	if err != nil {
		return err
	}
	id := found.view.RunID.Short()
	switch {
	case found.ended():
		return fault.New(fault.NotFound, "cannot open a shell where run %s executes: it is over, %s", id, found.view.State).Hint("mlx show %s", id)
	case found.view.Job == nil:
		return fault.New(fault.Usage, "cannot open a shell where run %s executes: it runs on %s, without a backend", id, found.view.Machine.Host)
	}
	j, err := a.reopenJob(ctx, found.view)
	if err != nil {
		return err
	}
	shell, ok := j.driver.(train.Sheller)
	if !ok {
		return fault.New(fault.Usage, "cannot open a shell where run %s executes: %s, of type %s, has no way to do it", id, j.name, j.backend.Type)
	}
	if s, _ := run.SeenOf(jobsOf(j.repo), j.id); s.Handle == "" && j.kept() {
		return fault.New(fault.NotFound, "cannot open a shell where run %s executes: it was not submitted", id).Hint("mlx job attach %s", id)
	}
	argv, err := shell.Shell(j.ref(), j.plan.Job.Dir+"/"+train.SourceName)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		a.child = exit.ExitCode()
		return nil
	}
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot open a shell where run %s executes: %w", id, err)
	}
	return nil
}
