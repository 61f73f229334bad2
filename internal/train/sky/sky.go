// Package sky hides how SkyPilot gets machines of clouds: by its own program, whose file of a task, output and versions are
// known here and nowhere else. One job is one cluster, which goes away by itself.
package sky

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/train"
)

// Options say what starts SkyPilot, and what it is given.
type Options struct {
	Backend train.Backend
	Program string                                 // "sky" when empty
	Env     []string                               // of the program
	Agent   func() (path string, err error)        // file with the mlx that the nodes use
	Host    func(name string) (*train.Host, error) // a cluster, by the name that SkyPilot writes into the ssh configuration
}

// Driver is SkyPilot.
type Driver struct {
	o Options
}

// New makes the driver of a backend. It starts nothing yet.
func New(o Options) *Driver {
	if o.Program == "" {
		o.Program = "sky"
	}
	return &Driver{o}
}

// Of the program: the oldest that is understood, how long it may take to answer, and how long to get a machine.
const (
	oldMajor, oldMinor = 0, 14
	askTime            = 3 * time.Minute
	launchTime         = time.Hour
	maxOutput          = 64 << 20
)

var versionLine = regexp.MustCompile(`skypilot, version (\d+)\.(\d+)\.`)

// check finds out whether the program is there, and new enough.
func (d *Driver) check(ctx context.Context) error {
	out, err := d.sky(ctx, askTime, "--version")
	if err != nil {
		return err
	}
	m := versionLine.FindStringSubmatch(out.stdout)
	if m == nil {
		return fault.New(fault.Conflict, "cannot use %s: it says %.80q, which is no version of SkyPilot", d.o.Program, strings.TrimSpace(out.stdout))
	}
	major, _ := strconv.Atoi(m[1]) // digits, as the pattern says
	minor, _ := strconv.Atoi(m[2])
	if major < oldMajor || major == oldMajor && minor < oldMinor {
		return fault.New(fault.Conflict, "cannot use SkyPilot %s.%s: mlx knows %d.%d and later", m[1], m[2], oldMajor, oldMinor).
			Hint("pip install -U skypilot")
	}
	return nil
}

// output is what the program wrote.
type output struct {
	stdout, stderr string
	status         int
}

// words are the last line that says something: SkyPilot tells its reason at the end.
func (o output) words() string {
	for _, text := range []string{o.stderr, o.stdout} {
		lines := strings.Split(strings.TrimSpace(plain(text)), "\n")
		for i := len(lines) - 1; i >= 0; i-- {
			if l := strings.TrimSpace(lines[i]); l != "" && !strings.HasPrefix(l, "To ") {
				return l[:min(len(l), 1000)]
			}
		}
	}
	return "exit status " + strconv.Itoa(o.status)
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")

// plain removes the colours that SkyPilot writes also where nobody sees them.
func plain(text string) string { return escapes.ReplaceAllString(text, "") }

// sky runs the program to its end. An error says that it could not be started, or was stopped.
func (d *Driver) sky(ctx context.Context, most time.Duration, args ...string) (output, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	cmd := exec.CommandContext(ctx, d.o.Program, args...)
	cmd.Env = append(d.o.Env, "NO_COLOR=1", "SKYPILOT_DISABLE_USAGE_COLLECTION=1")
	cmd.WaitDelay = 10 * time.Second
	var out, trouble bounded
	cmd.Stdout, cmd.Stderr = &out, &trouble
	err := cmd.Run()
	o := output{stdout: string(out.text), stderr: string(trouble.text)}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return o, fault.New(fault.Unavailable, "cannot go on with %s %s: it did not end: %w", d.o.Program, args[0], context.Cause(ctx))
	case errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist):
		return o, fault.New(fault.NotFound, "cannot use backend %s: there is no program %s", d.o.Backend.Name, d.o.Program).
			Hint("pip install 'skypilot[aws]'   # or of another cloud; then: sky check")
	case errors.As(err, &exit):
		o.status = exit.ExitCode()
	case err != nil:
		return o, fault.New(fault.KindOf(err), "cannot start %s: %w", d.o.Program, err)
	}
	return o, nil
}

// bounded keeps the beginning of an output.
type bounded struct{ text []byte }

func (b *bounded) Write(p []byte) (int, error) {
	b.text = append(b.text, p[:min(len(p), maxOutput-len(b.text))]...)
	return len(p), nil
}

// Access says that files can be brought while the cluster is there.
func (d *Driver) Access() train.Access { return train.AccessNode }

// Link connects to the first node of the cluster of a job, by the ssh configuration that SkyPilot keeps.
func (d *Driver) Link(ctx context.Context, ref train.Ref) (io.ReadWriteCloser, error) {
	h, err := d.o.Host(ref.Name())
	if err != nil {
		return nil, err
	}
	return h.Link(ctx)
}

// Submit gets a cluster and starts the agent on its nodes. It returns when they are there: SkyPilot tells only then whether
// a cloud has such machines.
func (d *Driver) Submit(ctx context.Context, j train.Job) (string, error) {
	if err := d.check(ctx); err != nil {
		return "", err
	}
	known, err := d.clusters(ctx)
	if err != nil {
		return "", err
	}
	if before, ok := known[path.Base(j.After)]; ok && j.After != "" && before.Status != "UP" {
		if err := d.down(ctx, before.Name); err != nil { // machines that are only stopped cost money
			return "", err
		}
	}
	j.Ref = j.Next()
	if c, ok := known[j.Name()]; ok && c.Status == "UP" {
		jobs, err := d.queues(ctx, []string{j.Name()})
		if err != nil || len(jobs[j.Name()]) > 0 {
			return j.Name(), err
		}
	}
	dir, err := os.MkdirTemp("", "mlx-sky-")
	if err != nil {
		return "", fault.New(fault.KindOf(err), "cannot prepare job %s: %w", j.Name(), err)
	}
	defer os.RemoveAll(dir)
	file, err := d.prepare(dir, j)
	if err != nil {
		return "", err
	}
	out, err := d.sky(ctx, launchTime, append(d.launch(j), file)...)
	if err != nil {
		return "", err
	}
	if out.status != 0 {
		return "", fault.New(fault.Unavailable, "cannot submit job %s to %s: SkyPilot says: %s", j.Name(), d.o.Backend.Name, out.words()).
			Hint("sky status %s", j.Name()).Hint("sky check")
	}
	return j.Name(), nil
}

// idleMinutes is how long a cluster stays when its job is over. The agent of a job ends when its results were fetched.
const idleMinutes = "5"

// launch are the words that submit a job.
func (d *Driver) launch(j train.Job) []string {
	words := []string{"launch", "-y", "-d", "-c", j.Name(), "--down", "-i", idleMinutes}
	return append(words, d.o.Backend.Options...)
}

// prepare writes what SkyPilot brings to the nodes, and the file of the task. Secrets are files, not `secrets:` of the task:
// what SkyPilot knows of a task stays in its database.
func (d *Driver) prepare(dir string, j train.Job) (string, error) {
	agent, err := d.o.Agent()
	if err != nil {
		return "", err
	}
	mounts := map[string]string{agentPath: agent}
	put := func(name string, text []byte) error {
		at := filepath.Join(dir, name)
		mounts[j.Dir+"/"+name] = at
		return os.WriteFile(at, text, 0o600)
	}
	if j.Order != nil {
		err = errors.Join(put(train.OrderName, j.Order), put(train.SecretsName, secretWords(j.Secrets)), put(train.ReadyName, nil))
	}
	if err != nil {
		return "", fault.New(fault.KindOf(err), "cannot prepare job %s: %w", j.Name(), err)
	}
	file := filepath.Join(dir, "task.yaml")
	if err := os.WriteFile(file, task(j, mounts), 0o600); err != nil {
		return "", fault.New(fault.KindOf(err), "cannot prepare job %s: %w", j.Name(), err)
	}
	return file, nil
}

// Describe is the task, and the command that submits it.
func (d *Driver) Describe(j train.Job) (string, error) {
	text := task(j, map[string]string{agentPath: "mlx"})
	return string(text) + "\n# " + d.o.Program + " " + train.Quote(append(d.launch(j), "task.yaml")) + "\n", nil
}
