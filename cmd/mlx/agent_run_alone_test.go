//go:build !windows

package main

import (
	"path/filepath"
	"testing"

	"mlx/internal/train"
)

// A node with a disk of its own got the secrets of the job there, and nobody else removes them.
func TestAgentAloneLeavesNoSecrets(t *testing.T) {
	n := newAgentNode(t, `test "$SECRET" = "correct horse"`)
	dir := n.job("--secret", "SECRET=correct horse", "--", "sh", "train.sh")
	cmd := n.command("", "mlx", "agent", "run", dir)
	cmd.Env = append(cmd.Env, train.NodeRankVariable+"=1", train.NodesVariable+"=2", train.MasterVariable+"=127.0.0.1", train.MasterPortVariable+"=29500",
		train.SharedVariable+"=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if isThere(filepath.Join(dir, train.SecretsName)) {
		t.Error("the secrets stay")
	}
}
