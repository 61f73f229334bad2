// Package slurm hides how Slurm is driven: its commands and their text, which are the same at all sites from 20.11 on, where
// JSON and REST are not. Each question is one small sh script that runs on the login node and asks the controller once.
package slurm

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/train"
)

// Names in the folder of a job, beside those of package train. The array is a folder of links to the folders of its tasks.
const (
	IDName     = "slurm_id" // what Slurm calls the job; slurm_try says that a submit has begun: comment and number of the task
	logName    = "slurm.log"
	programme  = "mlx" // link to the mlx that is the agent
	arraysName = "arrays"
)

// Driver is a cluster. It implements train.Driver, train.Linker, train.Batcher, train.Describer, train.Sheller and train.Shower.
type Driver struct {
	host *train.Host
	b    train.Backend
}

// New returns the driver of the cluster whose login node is a host, or this machine.
func New(h *train.Host, b train.Backend) *Driver { return &Driver{host: h, b: b} }

// Access says that the folder of a job can be reached at any time: the nodes share it with the login node.
func (d *Driver) Access() train.Access { return train.AccessHost }

// Link connects to `mlx agent serve` on the login node.
func (d *Driver) Link(ctx context.Context, _ train.Ref) (io.ReadWriteCloser, error) {
	return d.host.Link(ctx)
}

// Shell returns the words of a command that opens a shell beside a job that runs, on its first node.
func (d *Driver) Shell(job train.Ref, dir string) ([]string, error) {
	if !isHandle(job.Handle) {
		return nil, fault.New(fault.NotFound, "cannot open a shell beside job %s: its number in Slurm is not known", job.ID.Short()).
			Hint("mlx job list   # does it run?")
	}
	return d.host.Shell(dir, "sh", "-c", beside, "sh", job.Handle)
}

// beside executes a command in the place of a job. srun takes the job's own number only, not that of a task in an array.
const beside = `command -v srun >/dev/null 2>&1 || . /etc/profile >/dev/null 2>&1; ` +
	`id=$(squeue -h -j "$1" -o %A) || exit 125; shift; exec srun --jobid="$id" --overlap --nodes=1 --ntasks=1 --pty "$@"`

// Wrap returns the words before a command that make it run in a container of Apptainer, or of Singularity, as it was called.
func Wrap(image string, gpus bool) []string {
	const exec = `p=$(command -v apptainer || command -v singularity) || { echo "mlx: neither apptainer nor singularity is on $(hostname)" >&2; exit 127; }; exec "$p" exec "$@"`
	words := []string{"sh", "-c", exec, "sh"}
	if gpus {
		words = append(words, "--nv")
	}
	if !strings.Contains(image, "://") && !strings.HasPrefix(image, "/") && !strings.HasSuffix(image, ".sif") {
		image = "docker://" + image // as the other backends read a name of an image
	}
	return append(words, image)
}

// maxLog bounds what is read of Slurm's own output of a job at a time.
const maxLog = 8 << 20

// Logs reads what the agent, srun and Slurm itself wrote.
func (d *Driver) Logs(ctx context.Context, job train.Ref, from int64) (io.ReadCloser, error) {
	script := d.jobs() + fmt.Sprintf("{ tail -c +%d \"$jobs/%s/%s\" | head -c %d; } 2>/dev/null\nexit 0\n", max(0, from)+1, job.ID.Hex(), logName, maxLog)
	answer, err := d.host.Run(ctx, []string{"sh", "-s"}, []byte(script))
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(answer.Stdout)), nil
}

// jobs is a line of sh that says where the folders of jobs are.
func (d *Driver) jobs() string {
	if below, ok := strings.CutPrefix(d.host.Dir, "~/"); ok {
		return "jobs=$HOME/" + quote(path.Join(below, "jobs")) + "\n"
	}
	return "jobs=" + quote(path.Join(d.host.Dir, "jobs")) + "\n"
}

// isHandle says whether a text is what Slurm calls a job: 123, or 123_4 in an array.
func isHandle(s string) bool {
	job, task, array := strings.Cut(s, "_")
	return number(job) && (!array || number(task))
}

func number(s string) bool { return s != "" && len(s) <= 20 && strings.Trim(s, "0123456789") == "" }

// quote makes a word of sh of a text.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// prelude begins every script: messages in English, and the programs of Slurm where only a login shell finds them.
const prelude = `LC_ALL=C; export LC_ALL; umask 077
command -v squeue >/dev/null 2>&1 || . /etc/profile >/dev/null 2>&1
unset SLURM_TIME_FORMAT SQUEUE_FORMAT SQUEUE_FORMAT2 SQUEUE_STATES SQUEUE_PARTITION SQUEUE_USERS SQUEUE_ACCOUNT SQUEUE_QOS SACCT_FORMAT
command -v squeue >/dev/null 2>&1 || { echo "none|"; exit 0; }
`

// ask runs a script on the login node and returns the lines of its answer.
func (d *Driver) ask(ctx context.Context, what, script string) ([]string, error) {
	answer, err := d.host.Run(ctx, []string{"sh", "-s"}, []byte(prelude+script))
	if err != nil {
		return nil, err
	}
	said := strings.TrimRight(string(answer.Stdout), "\n")
	if said == "none|" {
		return nil, fault.New(fault.NotFound, "cannot %s: there is no squeue on %s", what, d.place()).
			Hint("edit mlx.yaml   # host: of the backend is a login node of the cluster")
	}
	if answer.Status != 0 {
		return nil, fault.New(fault.Unavailable, "cannot %s: the script on %s ended with status %d: %s", what, d.place(), answer.Status,
			firstWords(string(answer.Stderr)))
	}
	return strings.Split(said, "\n"), nil
}

func (d *Driver) place() string {
	if d.host.Name == "" {
		return "this machine"
	}
	return d.host.Name
}

// maxWords bounds what is repeated of Slurm's words.
const maxWords = 600

// firstWords makes one line of what a program of Slurm said.
func firstWords(said string) string {
	var all []string
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		for _, program := range []string{"sbatch: ", "squeue: ", "scancel: ", "scontrol: ", "error: "} {
			line = strings.TrimPrefix(line, program)
		}
		if line != "" && !strings.HasPrefix(line, "Try \"sbatch --help") {
			all = append(all, line)
		}
	}
	text := strings.Join(all, "; ")
	return text[:min(len(text), maxWords)]
}

// trouble is an error with Slurm's words for it. That the controller does not answer says nothing of a job.
func (d *Driver) trouble(what, said string) error {
	words := firstWords(said)
	low := strings.ToLower(words)
	for _, sign := range []string{"unable to contact", "connect failure", "timed out", "connection refused", "communication", "zero bytes", "slow down", "resource temporarily unavailable"} {
		if strings.Contains(low, sign) {
			err := fault.New(fault.Unavailable, "cannot %s: Slurm does not answer on %s: %s", what, d.place(), words).Hint("%s   # their controller", d.by("scontrol ping"))
			if sign == "zero bytes" {
				err = err.Hint("%s   # another munge key than that of the cluster looks like this, too", d.by("systemctl status munge"))
			}
			return err
		}
	}
	return d.refusal(what, words)
}

// by is a command as the user would type it here.
func (d *Driver) by(command string) string {
	if d.host.Name == "" {
		return command
	}
	return "ssh " + d.host.Name + " " + command
}
