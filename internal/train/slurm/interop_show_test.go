//go:build interop

package slurm

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mlx/internal/train"
)

func TestWhatIsShownAndLeft(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	ref := c.submit(c.job(`sleep 60 & echo "$!" >child; until [ -e go ]; do sleep 0.05; done; kill "$(cat child)"`, train.Resources{}))
	c.awaitText(ref, "child", "\n")
	shows, err := c.Shows(t.Context(), train.Ref{ID: ref.ID}) // its number is noted in the folder
	for _, part := range []string{"JobId=" + ref.Handle, "JobState=RUNNING", "#SBATCH --comment=" + ref.ID.Hex(), "agent run"} {
		if err != nil || !strings.Contains(shows, part) {
			t.Errorf("%q is not in what Slurm shows: %v\n%s", part, err, shows)
		}
	}
	left, err := c.Left(t.Context(), ref)
	for _, part := range []string{"job " + ref.Handle + " is RUNNING", "agent run", "process " + strings.TrimSpace(c.text(ref, "child")) + ": sleep 60"} {
		if err != nil || !strings.Contains(left, part) {
			t.Errorf("%q is not in what is left: %v\n%s", part, err, left)
		}
	}
	os.WriteFile(filepath.Join(c.folder(ref), "go"), nil, 0o600)
	c.awaitState(ref, train.Done)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if left, err = c.Left(t.Context(), ref); err == nil && left == "" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("left after its end: %v\n%s", err, left)
		}
	}
	never := c.job("", train.Resources{})
	if shows, err := c.Shows(t.Context(), never.Ref); err != nil || shows != "" {
		t.Errorf("one that was not submitted: %q, %v", shows, err)
	}
}

// TestShell: it is opened in the folder, and in the place of the job, also of one in an array.
func TestShell(t *testing.T) {
	c := newCluster(t)
	alone := c.job("until [ -e go ]; do sleep 0.05; done", train.Resources{})
	one, two := c.job("until [ -e go ]; do sleep 0.05; done", train.Resources{CPUs: 2}), c.job("until [ -e go ]; do sleep 0.05; done", train.Resources{CPUs: 2})
	handles, err := c.SubmitAll(t.Context(), []train.Job{alone, one, two})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SHELL", "/bin/sh")
	for i, j := range []train.Job{alone, one, two} {
		j.Handle = handles[i]
		t.Cleanup(func() { _ = c.Cancel(context.Background(), j.Ref, 0) })
		c.awaitState(j.Ref, train.Running)
		var opens train.Sheller = c
		words, err := opens.Shell(j.Ref, j.Dir)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "script", "-qec", train.Quote(words), os.DevNull) // a shell wants a terminal
		cmd.Stdin = strings.NewReader("echo \"$SLURM_JOB_ID in $PWD\" >shell.txt; exit\n")
		out, err := cmd.CombinedOutput()
		number := strings.TrimSpace(command(t, "squeue", "-h", "-j", j.Handle, "-o", "%A"))
		if want := number + " in " + j.Dir + "\n"; err != nil || c.text(j.Ref, "shell.txt") != want {
			t.Errorf("job %s: %q, not %q: %v\n%s", j.Handle, c.text(j.Ref, "shell.txt"), want, err, out)
		}
		os.WriteFile(filepath.Join(j.Dir, "go"), nil, 0o600)
	}
}
