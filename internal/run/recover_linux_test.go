package run

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestRecoverUnnoted: mlx was killed between starting the command and noting its process. The command is found all the same: nobody takes the run for
// over, and it can be ended.
func TestRecoverUnnoted(t *testing.T) {
	dir := t.TempDir()
	command := orphaned(t, dir)
	r, err := openBench(dir)
	if err != nil {
		t.Fatal(err)
	}
	noted, err := LiveRuns(r.Runs)
	if err != nil || len(noted) != 1 || noted[0].Child.PID != command {
		t.Fatalf("%+v, %v; the command is %d", noted, err, command)
	}
	if err := os.Remove(filepath.Join(noted[0].Dir, childName)); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	orphans, err := r.Orphans(ctx)
	if err != nil || len(orphans) != 1 || *orphans[0].Child != *noted[0].Child {
		t.Fatalf("orphans %+v, %v; noted was %+v", orphans, err, noted[0].Child)
	}
	if ended, err := r.Recover(ctx); err != nil || len(ended) > 0 {
		t.Fatalf("the command lives: %v, %v", ended, err)
	}
	v, err := History{Ledger: r.Ledger, Host: host, Now: time.Now, Runs: r.Runs}.Last(ctx, "main", 0)
	if err != nil || v.State != Running {
		t.Fatalf("%v, %v", v.State, err)
	}
	if err := r.AskToEnd(v, orphans[0].Live, Cancel{By: "li", Why: "no money left"}, false); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return startOf(command) == "" })
	if ended, err := r.Recover(ctx); err != nil || len(ended) != 1 || ended[0].State != Cancelled {
		t.Errorf("%+v, %v", ended, err)
	}
}
