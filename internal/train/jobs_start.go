package train

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/fault"
)

// Variables by which an agent knows that it is started anew, after one of the same job that is gone.
const (
	StartVariable      = "MLX_START"
	StartCountVariable = "MLX_START_COUNT"
)

// start starts the agent of a job, unless it was. A lock makes two that start it at once take turns; the agent itself refuses
// to be the second in its folder.
func (n NodeJobs) start(q startQuestion) (*agent, error) {
	fail := func(err error) (*agent, error) {
		return nil, fault.New(fault.KindOf(err), "cannot start the agent: %w", err)
	}
	dir := n.folder(q.Run)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fail(err)
	}
	unlock, err := lockFolder(filepath.Join(dir, rankName("submit.lock", q.Rank)))
	if err != nil {
		return fail(err)
	}
	defer unlock()
	a, known := n.agent(q.Run, q.Rank)
	if known {
		if s := n.state(jobQuestion{q.Run, q.Rank}); !q.Again || s.State != Gone {
			return &a, nil
		}
	}
	if err := n.fits(q.Needs); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(dir, rankName(AgentLogName, q.Rank)), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fail(err)
	}
	defer log.Close()
	cmd := exec.Command(n.Program, "agent", "run", dir) //nolint:gosec // this very program
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = n.Root, append(cleanEnv(n.Environ), q.Env...), log, log
	cmd.Env = append(cmd.Env, StartVariable+"="+q.Run.Hex(), StartCountVariable+"="+strconv.Itoa(a.Starts)) // the one before is over for certain
	alone(cmd)
	if err := cmd.Start(); err != nil {
		return fail(err)
	}
	a = agent{
		Kind: "agent/v1", Host: n.Host, Boot: bootOf(), PID: cmd.Process.Pid, Start: procStart(cmd.Process.Pid), Nodes: q.Nodes, Starts: a.Starts + 1,
	}
	go func() { _ = cmd.Wait() }() // it is collected if it ends before this process does
	if err := writeNote(filepath.Join(dir, rankName(AgentName, q.Rank)), a); err != nil {
		_ = cmd.Process.Kill() // nobody would find it again
		return fail(err)
	}
	return &a, nil
}

// fits refuses what this machine does not have: nobody else would, where there is no queue.
func (n NodeJobs) fits(r Resources) error {
	gpus, known := gpusHere()
	switch {
	case known && r.GPUs > gpus:
		return fault.New(fault.Usage, "cannot start the run: it asks for %d GPU, and %s has %d", r.GPUs, n.Host, gpus)
	case r.CPUs > runtime.NumCPU():
		return fault.New(fault.Usage, "cannot start the run: it asks for %d processors, and %s has %d", r.CPUs, n.Host, runtime.NumCPU())
	}
	return nil
}

// gpusHere counts the GPUs that drivers show as devices. false: this system may have some that cannot be counted so.
func gpusHere() (n int, known bool) {
	if _, err := os.Stat("/dev/dxg"); runtime.GOOS != "linux" || err == nil { // of Windows, seen from within its Linux
		return 0, false
	}
	nvidia, err := filepath.Glob("/dev/nvidia[0-9]*")
	n = len(nvidia)
	if _, kfd := os.Stat("/dev/kfd"); kfd == nil && err == nil {
		var amd []string
		amd, err = filepath.Glob("/dev/dri/renderD*")
		n += len(amd)
	}
	return n, err == nil
}

// cleanEnv leaves out what belongs to the connection, or to the run that this process may be part of.
func cleanEnv(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return strings.HasPrefix(name, "MLX_") || strings.HasPrefix(name, "SSH_")
	})
}

// writeNote writes a small file that stays also if the machine stops.
func writeNote(file string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return putFile(file, func(f *os.File) error {
		if _, err := f.Write(append(text, '\n')); err != nil {
			return err
		}
		return f.Sync()
	})
}

// putFile writes a file beside its place and moves it there, so that a reader sees all of it or nothing. It is its owner's alone, unless
// write changes that.
func putFile(file string, write func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(file), "new-*")
	if err != nil {
		return err
	}
	err = write(f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // it is not in its place
	}
	return err
}
