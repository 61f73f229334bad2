//go:build interop

package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"mlx/internal/run"
)

// on gives a project a backend, whose nodes are this machine.
func (l *lossy) on(name, text string, env ...string) {
	l.t.Helper()
	l.env = append(l.env, env...)
	l.node = l.path("node")
	l.write(fmt.Appendf(nil, "%s: {%s, dir: '%s'}\n", name, text, l.node), ".config/mlx/backends.yaml")
}

// needs is a variable that names a server of .ci.
func needs(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: .ci/interop starts what it names", name)
	}
	return value
}

// loses kills the agent of a run twice: it goes on from what the first attempt left, and once no attempts are left it is lost.
func (l *lossy) loses(backend string) {
	l.t.Helper()
	client, out, problem := l.begin(backend, "--retries", "1")
	l.attempt(1)
	l.lose()
	l.attempt(2)
	l.let(2)
	if err := client.Wait(); err != nil || !strings.Contains(out.String(), "began 2 after 1\n") {
		l.t.Errorf("%v\n%s%s", err, out, problem)
	}
	if said := problem.String(); !strings.Contains(said, ": attempt 2: its agent was gone before the command ended; it goes on from its checkpoint folder") {
		l.t.Errorf("it says %s", said)
	}
	l.executed(2)
	l.went(run.Succeeded, lostAgent, "")

	l.leave(backend, "--retries", "1")
	l.attempt(1)
	l.lose()
	wait := l.command("p", "mlx", "job", "wait", "@last")
	if err := wait.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.attempt(2)
	l.lose()
	_ = wait.Wait()
	if status := wait.ProcessState.ExitCode(); status != 1 {
		l.t.Errorf("lost for good it ends with status %d", status)
	}
	l.executed(2)
	l.went(run.Lost, lostAgent, "")
}

func TestInteropAgainSSH(t *testing.T) {
	l := newLossy(t)
	l.on("box", "type: ssh, host: gpu-box", "MLX_SSH=ssh -F '"+needs(t, "MLX_TEST_SSH")+"'")
	l.loses("box")
}

func TestInteropAgainSlurm(t *testing.T) {
	l := newLossy(t)
	l.on("slurm", "type: slurm", "SLURM_CONF="+needs(t, "MLX_TEST_SLURM"))
	l.loses("slurm")
}

func TestInteropAgainRay(t *testing.T) {
	l := newLossy(t)
	l.on("ray", "type: ray, agent: '"+staticProgram(t)+"', url: '"+needs(t, "MLX_TEST_RAY")+"'", rayTokenPath+"="+needs(t, rayTokenPath))
	l.loses("ray")
}

// TestInteropAgainKube: the folder of a pod goes with it, so that the client has to have the checkpoint.
func TestInteropAgainKube(t *testing.T) {
	p := newSomebody(t)
	p.env = append(p.env, "KUBECONFIG="+needs(t, "MLX_TEST_KUBE"))
	agent := staticProgram(t)
	p.write([]byte("echo \"$MLX_ATTEMPT after $(cat \"$MLX_CHECKPOINT/n\" 2>/dev/null)\"\necho \"$MLX_ATTEMPT\" >\"$MLX_CHECKPOINT/n\"\n"+
		"[ \"$MLX_ATTEMPT\" = 2 ] || exec sleep 60\necho whole >out.txt\n"), "p", "train.sh")
	p.do("p", "git", "init", "-q")
	p.do("p", "mlx", "init")
	p.write(fmt.Appendf(nil, "k: {type: kubernetes, image: 'mlx.test/train:1', agent: '%s', pending: 4s}\n", agent), ".config/mlx/backends.yaml")
	p.do("p", "git", "add", "-A")
	p.do("p", "git", "commit", "-qm", "first")
	l := &lossy{agentNode: &agentNode{p}}
	pods := func(id string) string { return "mlx.dev/run=" + id[:40] }
	begin := func() (client *exec.Cmd, out, problem fmt.Stringer, id, pod string) {
		client, out, problem = l.begin("k", "--retries", "1")
		l.until(func() bool { return strings.Contains(out.String(), "1 after") }, "the first attempt")
		id, _, _ = strings.Cut(p.do("p", "mlx", "job", "list"), "\t")
		return client, out, problem, id, strings.TrimSpace(p.do("p", "kubectl", "get", "pods", "-l", pods(id), "-o", "name"))
	}
	t.Run("pod deleted", func(t *testing.T) {
		l.t = t
		client, out, problem, id, pod := begin()
		p.do("p", "kubectl", "exec", pod, "-c", "run", "--", "kill", "-USR1", "1") // it saves its checkpoint
		l.until(func() bool { return isThere(p.path("p", ".git/mlx/jobs", id, checkpointNote)) }, "the checkpoint")
		p.do("p", "kubectl", "delete", pod, "--wait=false")
		if err := client.Wait(); err != nil || !strings.Contains(out.String(), "2 after 1\n") {
			t.Errorf("%v\n%s%s", err, out, problem)
		}
		if said := problem.String(); !strings.Contains(said, ": attempt 2: node lost") || !strings.Contains(said, "it goes on from checkpoint ") {
			t.Errorf("it says %s", said)
		}
		l.went(run.Succeeded, "node lost", "")
		l.until(func() bool {
			return p.do("p", "kubectl", "get", "jobs,pods,secrets", "-l", pods(id), "-o", "name") == ""
		}, "all of it to be gone")
	})
	t.Run("Job deleted", func(t *testing.T) { // by somebody who does not want it any more
		l.t = t
		client, _, problem, id, _ := begin()
		p.do("p", "kubectl", "delete", "jobs", "-l", pods(id), "--wait=false")
		if err := client.Wait(); err == nil {
			t.Errorf("it ends well: %s", problem)
		}
		if names := p.do("p", "kubectl", "get", "jobs", "-l", pods(id), "-o", "name"); strings.Contains(names, "-2") {
			t.Errorf("it was begun again: %s", names)
		}
	})
	t.Run("pending", func(t *testing.T) {
		l.t = t
		_, problem, status := p.try("p", "mlx", "run", "--on", "k", "--gpus", "9", "--", "true")
		if status != 125 || !strings.Contains(problem, "it waited for 4.0 s on k: 0/1 nodes are available: 1 Insufficient nvidia.com/gpu") {
			t.Errorf("status %d: %s", status, problem)
		}
	})
}

// TestInteropPendingSlurm: the reason why a run did not get its place in time is Slurm's own.
func TestInteropPendingSlurm(t *testing.T) {
	l := newLossy(t)
	l.on("slurm", "type: slurm, queue: one, pending: 4s, resources: {cpus: 64}", "SLURM_CONF="+needs(t, "MLX_TEST_SLURM"))
	l.leave("slurm")
	l.attempt(1)
	_, problem, status := l.try("p", "mlx", "run", "--on", "slurm", "--", "true")
	if status != 125 || !strings.Contains(problem, "it waited for 4.0 s on slurm: Resources: what it asks for is in use") {
		t.Errorf("status %d: %s", status, problem)
	}
	l.write([]byte("a\n1\n"), "p/data/x.csv")
	_, problem, status = l.try("p", "mlx", "profile", "data", "--on", "slurm", "--shards", "2")
	if status == 0 || !strings.Contains(problem, "none of 2 shards began within 4.0 s: ") {
		t.Errorf("shards: status %d: %s", status, problem)
	}
	l.let(1)
	l.do("p", "mlx", "job", "wait", "@last~1")
}
