package slurm

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/train"
)

// batch is what one sbatch starts: a job, or jobs that are the tasks of an array.
type batch struct {
	job     train.Job
	comment string // it is found again by that
	tasks   []int  // numbers in the array; nil for a job of its own
}

// Describe returns the script that sbatch is given for a job.
func (d *Driver) Describe(j train.Job) (string, error) {
	return d.script(batch{job: j, comment: j.ID.Hex()})
}

// script writes the batch script. It is started in the folder of the job, or that of the array.
func (d *Driver) script(b batch) (string, error) {
	lines, err := d.directives(b)
	if err != nil {
		return "", err
	}
	var s strings.Builder
	s.WriteString("#!/bin/sh\n")
	for _, line := range lines {
		s.WriteString("#SBATCH " + line + "\n")
	}
	names := make([]string, 0, len(b.job.Env))
	for name := range b.job.Env {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if !isName(name) || strings.ContainsRune(b.job.Env[name], 0) {
			return "", fault.New(fault.Usage, "cannot give %.60q to a job: it is no name of a variable, or its value holds a zero byte", name)
		}
		fmt.Fprintf(&s, "export %s=%s\n", name, quote(b.job.Env[name]))
	}
	s.WriteString("unset SLURM_EXPORT_ENV\nexport MLX_AGENT=\"$PWD/" + programme + "\"\n")
	if len(d.b.Setup) > 0 {
		s.WriteString(modules)
	}
	if b.tasks != nil {
		s.WriteString(oneTask)
	}
	// A requeued job finds its number there. So does a submit whose answer was lost.
	s.WriteString("if ! [ -s " + IDName + " ]; then echo \"${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}\" >" +
		IDName + ".new && mv " + IDName + ".new " + IDName + "; fi\n")
	s.WriteString("export MLX_SLURM_RESTARTS=\"${SLURM_RESTART_COUNT:-0}\"\n")
	if nodes := b.job.Resources.Nodes; nodes > 1 {
		fmt.Fprintf(&s, manyNodes, nodes, cpus(b.job.Resources))
	} else {
		s.WriteString("exec \"$MLX_AGENT\" agent run \"$PWD\"\n") // signals reach the agent itself
	}
	return s.String(), nil
}

// modules makes module a command for the lines of setup, where it is one of login shells only and sh is bash, which hands on
// functions.
const modules = `command -v module >/dev/null 2>&1 || { path=$PATH; . /etc/profile; PATH=$PATH:$path; } >/dev/null 2>&1
`

// oneTask goes to the folder of a task, which stands in the list of the array, and puts Slurm's output of it there.
const oneTask = `task=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" tasks)
ln -sf "$PWD/task-$SLURM_ARRAY_TASK_ID.log" "$task/slurm.log"
cd "$task" || exit 1
`

// manyNodes starts an agent on each node. srun would pass a signal on to everything that the agents have started, and TERM
// would make it kill them at once: so the shell takes signals, and a second srun hands them to the agents alone. The name of
// a node need not be one that the network knows.
const manyNodes = `first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
if getent hosts "$first" >/dev/null 2>&1; then
  MLX_MASTER_ADDR=$first
else
  MLX_MASTER_ADDR=$(scontrol -o show node "$first" | tr ' ' '\n' | sed -n 's/^NodeAddr=//p')
fi
export MLX_MASTER_ADDR
export MLX_NODES=%[1]d
tell() {
  srun --overlap --nodes=%[1]d --ntasks=%[1]d --ntasks-per-node=1 --mem=0 --export=ALL sh -c 'kill -s "$1" "$(cat "agent.$SLURM_NODEID.pid")"' sh "$1"
}
trap 'told=1; tell USR1' USR1
trap 'told=1; tell TERM' TERM
srun --nodes=%[1]d --ntasks=%[1]d --ntasks-per-node=1 --cpus-per-task=%[2]d --kill-on-bad-exit=1 --export=ALL sh -c 'echo $$ >"agent.$SLURM_NODEID.pid"; exec "$MLX_AGENT" agent run "$PWD"' &
agents=$!
while :; do
  told=
  wait "$agents"
  status=$?
  [ -n "$told" ] || exit "$status"
done
`

// cpus is how many processors of each node a job asks for: one for each process, unless it says more.
func cpus(r train.Resources) int { return max(r.CPUs, r.Ranks, 1) }

// directives are the options of sbatch: those of the user come last, and win.
func (d *Driver) directives(b batch) ([]string, error) {
	j, r := b.job, b.job.Resources
	lines := []string{
		"--job-name=" + j.Name(), "--comment=" + b.comment, "--output=" + logName, "--open-mode=append", "--export=ALL",
		fmt.Sprintf("--nodes=%d", max(1, r.Nodes)), "--ntasks-per-node=1", fmt.Sprintf("--cpus-per-task=%d", cpus(r)),
	}
	if b.tasks != nil {
		lines[2] = "--output=task-%a.log"
		lines = append(lines, "--array="+list(b.tasks))
	}
	if r.GPUs > 0 {
		gres := fmt.Sprintf("--gres=gpu:%d", r.GPUs)
		if r.GPUType != "" {
			gres = fmt.Sprintf("--gres=gpu:%s:%d", r.GPUType, r.GPUs)
		}
		lines = append(lines, gres)
	}
	if r.Memory > 0 {
		lines = append(lines, fmt.Sprintf("--mem=%dM", (r.Memory+1<<20-1)>>20))
	}
	if r.Time > 0 {
		lines = append(lines, fmt.Sprintf("--time=%d", int64(math.Ceil(r.Time.Minutes()))))
	}
	if queue := j.Queue; queue != "" {
		lines = append(lines, "--partition="+queue)
	}
	if j.Requeue {
		lines = append(lines, "--requeue")
	} else {
		lines = append(lines, "--no-requeue")
	}
	if j.Warn > 0 {
		lines = append(lines, fmt.Sprintf("--signal=B:USR1@%d", min(int64(math.Ceil(j.Warn.Seconds())), 65535)))
	}
	for _, option := range d.b.Options {
		lines = append(lines, strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(option), "#SBATCH")))
	}
	for _, line := range lines {
		if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) || !strings.HasPrefix(line, "-") {
			return nil, fault.New(fault.Usage, "%.120q is no option of sbatch", line).Hint("edit mlx.yaml   # options: [--account=physics, --qos=long]")
		}
	}
	for _, word := range []string{r.GPUType, j.Queue} {
		if strings.ContainsAny(word, " \"'\\#") {
			return nil, fault.New(fault.Usage, "%.80q cannot be a GPU or a partition of Slurm", word)
		}
	}
	return lines, nil
}

// list writes numbers as sbatch wants those of an array: 0-3,7.
func list(numbers []int) string {
	var parts []string
	for i := 0; i < len(numbers); {
		end := i
		for end+1 < len(numbers) && numbers[end+1] == numbers[end]+1 {
			end++
		}
		if part := fmt.Sprint(numbers[i]); end == i {
			parts = append(parts, part)
		} else {
			parts = append(parts, fmt.Sprintf("%s-%d", part, numbers[end]))
		}
		i = end + 1
	}
	return strings.Join(parts, ",")
}

func isName(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789") == "" && (s[0] < '0' || s[0] > '9')
}

// alike says whether jobs can be tasks of one array: they differ in nothing but what they do.
func alike(a, b train.Job) bool {
	same := a.Resources == b.Resources && a.Queue == b.Queue && a.Requeue == b.Requeue && a.Warn == b.Warn && len(a.Env) == len(b.Env)
	for name, value := range a.Env {
		other, ok := b.Env[name]
		same = same && ok && other == value
	}
	return same
}

// groups sorts jobs into arrays, and tells for each the numbers of its jobs in the list.
func groups(jobs []train.Job) [][]int {
	var all [][]int
	for i, j := range jobs {
		at := slices.IndexFunc(all, func(g []int) bool { return len(g) < maxArray && alike(jobs[g[0]], j) })
		if at < 0 {
			all = append(all, nil)
			at = len(all) - 1
		}
		all[at] = append(all[at], i)
	}
	return all
}

// maxArray is the longest array: MaxArraySize is 1001 where a site says nothing.
const maxArray = 1000

// key names an array by the jobs that are in it, so that the same submit finds it again.
func key(jobs []train.Job) string {
	var text strings.Builder
	for _, j := range jobs {
		text.WriteString(j.ID.Hex() + "\n")
	}
	return object.Sum([]byte(text.String())).Hex()
}

// soon is how long a job that has ended well may be without a result: a file that a node wrote is not seen elsewhere at once
// on a disk that is shared.
const soon = 90 * time.Second
