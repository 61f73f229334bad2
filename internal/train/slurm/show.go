package slurm

import (
	"context"
	"fmt"
	"strings"

	"mlx/internal/train"
)

// findScript sets id to what Slurm calls the job hex now: whoever noted it elsewhere may not know that it was handed over again.
const findScript = `
[ -s "$jobs/$hex/slurm_id" ] && read -r noted 2>/dev/null <"$jobs/$hex/slurm_id" && [ -n "$noted" ] && id=$noted
`

// showScript prints what everybody who may use the cluster can ask of a job. The batch script is for its owner alone, and is shown too.
const showScript = findScript + `
[ -n "$id" ] || exit 0
scontrol show job "$id" 2>&1
scontrol write batch_script "$id" - 2>&1
squeue -h -r -t all -j "$id" -o '%all' 2>&1
exit 0
`

// leftScript prints the entry of a queue that has not ended, and processes of this machine that belong to the job.
const leftScript = findScript + `
[ -z "$id" ] || squeue -h -r -j "$id" -o 'job %i is %T' 2>/dev/null
` + train.ProcessesScript + "exit 0\n"

// Shows is what Slurm shows of a job: its entry, and the batch script that it was given.
func (d *Driver) Shows(ctx context.Context, job train.Ref) (string, error) {
	return d.look(ctx, "show job "+job.ID.Short(), job, showScript)
}

// Left is what is left of a job in the queue and among the processes of the login node.
func (d *Driver) Left(ctx context.Context, job train.Ref) (string, error) {
	return d.look(ctx, "look for what is left of job "+job.ID.Short(), job, leftScript)
}

// about are lines of sh that say which job is meant: id is empty where nobody has told what Slurm calls it.
func (d *Driver) about(job train.Ref) string {
	id := job.Handle
	if !isHandle(id) {
		id = ""
	}
	return d.jobs() + fmt.Sprintf("hex=%s id=%s\n", job.ID.Hex(), id)
}

func (d *Driver) look(ctx context.Context, what string, job train.Ref, script string) (string, error) {
	lines, err := d.ask(ctx, what, d.about(job)+script)
	if err != nil {
		return "", err
	}
	return strings.Join(lines, "\n"), nil
}
