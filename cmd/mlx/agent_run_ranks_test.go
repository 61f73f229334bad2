//go:build !windows

package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// two executes a job on two nodes that share its folder, and returns how their agents ended and what they said.
func (n *agentNode) two(dir string) (status [2]int, said [2]string) {
	n.t.Helper()
	var other bytes.Buffer
	cmd := n.command("", "mlx", "agent", "run", dir)
	cmd.Env = append(slices.Clone(cmd.Env), "MLX_NODE_RANK=1", "MLX_NODES=2", "MLX_MASTER_ADDR=127.0.0.1", "MLX_SHARED=1")
	cmd.Stderr = &other
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	first := n.command("", "mlx", "agent", "run", dir)
	first.Env = append(slices.Clone(first.Env), "MLX_NODE_RANK=0", "MLX_NODES=2", "MLX_MASTER_ADDR=127.0.0.1", "MLX_SHARED=1")
	out, _ := first.CombinedOutput()
	_ = cmd.Wait()
	return [2]int{first.ProcessState.ExitCode(), cmd.ProcessState.ExitCode()}, [2]string{string(out), other.String()}
}

func TestAgentRanks(t *testing.T) {
	n := newAgentNode(t, `echo "rank $RANK of $WORLD_SIZE, local $LOCAL_RANK, node $NODE_RANK, attempt $MLX_ATTEMPT"; exec meet $1`)
	dir := n.job("--nodes", "2", "--ranks", "2", "--", "sh", "train.sh")
	status, said := n.two(dir)
	if status != [2]int{} || !strings.Contains(said[0], "met 0 1 2 3 of 4") {
		t.Fatalf("status %v\n%s", status, strings.Join(said[:], "\n"))
	}
	if got := n.read(dir, "ranks/3/output"); !strings.HasPrefix(got, "rank 3 of 4, local 1, node 1, attempt 1\n") {
		t.Errorf("rank 3 wrote %q", got)
	}
	if v := n.collect(dir); len(v.Job.Hosts) != 2 || v.Job.Ranks != 2 {
		t.Errorf("%+v", v.Job)
	}
	bad := n.job("--nodes", "2", "--ranks", "2", "--retries", "1", "--on", "3", "--", "sh", "train.sh", "3")
	if status, said := n.two(bad); status[0] == 0 {
		t.Errorf("status %v\n%s", status, strings.Join(said[:], "\n"))
	}
	if r := n.result(bad); r.State != "failed" || !strings.Contains(r.Cause, "rank 3 on ") || !strings.Contains(r.Cause, "exit status 3") || !strings.Contains(r.Cause, "rank 3 gives up") || r.Attempt != 2 {
		t.Errorf("%+v", r)
	}
}

// TestAgentRanksConsequence: rank 0 fails because another one did, before its node has heard of that. The record says who was first, and his status
// decides on another attempt.
func TestAgentRanksConsequence(t *testing.T) {
	n := newAgentNode(t, `case $RANK in
3) echo rank 3 gives up; touch "$1.$MLX_ATTEMPT"; exit 3 ;;
0) until [ -e "$1.$MLX_ATTEMPT" ]; do sleep 0.01; done; sleep 0.2; exit 1 ;;
esac
exec sleep 60`)
	dir := n.job("--nodes", "2", "--ranks", "2", "--retries", "1", "--on", "3", "--grace", "2s", "--", "sh", "train.sh", n.path("gone"))
	status, said := n.two(dir)
	if r := n.result(dir); status[0] == 0 || r.State != "failed" || !strings.Contains(r.Cause, "rank 3 on ") || !strings.Contains(r.Cause, "exit status 3: rank 3 gives up") || r.Attempt != 2 {
		t.Errorf("status %v, %+v\n%s", status, r, strings.Join(said[:], "\n"))
	}
}
