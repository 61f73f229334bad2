package slurm

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"mlx/internal/train"
)

// cancelScript ends a job. One that waits goes at once. Of one that runs the batch shell gets TERM, which is the agent, or
// hands it on to the agents; what is still there after the grace is ended by Slurm itself, with its own TERM and KILL. Who waits
// for that is a process of the login node: this one may be gone by then.
//
// A job whose number was never noted is looked for by its comment.
const cancelScript = findScript + `
if [ -z "$id" ]; then
  read -r comment task 2>/dev/null <"$jobs/$hex/slurm_try" || { echo done; exit 0; }
  known=$(squeue -h -r -t all -u "$(id -un)" -o '%i|%k' 2>&1) || { echo "fail|"; printf '%s\n' "$known"; exit 0; }
  id=$(printf '%s\n' "$known" | ` + byComment + `)
  [ -n "$id" ] || { echo done; exit 0; }
fi
state=$(squeue -h -r -t all -j "$id" -o %T 2>&1)
if [ $? != 0 ]; then
  case $state in *"Invalid job id"*) echo done; exit 0 ;; esac
  echo "fail|"; printf '%s\n' "$state"; exit 0
fi
case $state in
'') echo done; exit 0 ;;
RUNNING|SUSPENDED|STOPPED)
  [ "$state" = RUNNING ] || scontrol resume "$id" >/dev/null 2>&1
  said=$(scancel --signal=TERM --batch "$id" 2>&1)
  if [ "$grace" -gt 0 ]; then
    trap '' HUP
    (
      n=0
      while [ "$n" -lt "$grace" ]; do
        sleep 1
        case $(squeue -h -t R,S -j "$id" -o %T 2>/dev/null) in '') exit 0 ;; esac
        n=$((n + 1))
      done
      scancel "$id"
    ) </dev/null >/dev/null 2>&1 9>&- &
  else
    said=$(scancel "$id" 2>&1)
  fi ;;
PENDING|CONFIGURING|REQUEUE*|SPECIAL_EXIT|RESV_DEL_HOLD)
  said=$(scancel "$id" 2>&1) ;;
*) echo done; exit 0 ;;
esac
case $said in
''|*"Invalid job id"*|*"already completing"*|*"already completed"*) echo done ;;
*) echo "fail|"; printf '%s\n' "$said" ;;
esac
`

// Cancel ends a job.
func (d *Driver) Cancel(ctx context.Context, job train.Ref, grace time.Duration) error {
	what := "cancel job " + job.ID.Short()
	head := d.about(job) + fmt.Sprintf("grace=%d\n", int64(math.Ceil(grace.Seconds())))
	lines, err := d.ask(ctx, what, head+cancelScript)
	if err != nil {
		return err
	}
	if lines[0] != "done" {
		return d.trouble(what, strings.Join(lines[1:], "\n"))
	}
	return nil
}
