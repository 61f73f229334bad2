//go:build interop

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestInteropSSH tells the stories of testdata/interop/ssh with the real ssh and the server of .ci/sshd: the whole way of a job, as
// people take it.
func TestInteropSSH(t *testing.T) {
	config := sshConfigOf(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/interop/ssh", RequireExplicitExec: true, Cmds: interopCommands(),
		Setup: func(env *testscript.Env) error {
			env.Setenv("MLX_SSH", "ssh -F '"+config+"'")
			env.Setenv("NODE", filepath.Join(env.WorkDir, "node"))
			return isolate(env)
		},
	})
}

// sshConfigOf is the configuration that leads to the server of .ci/sshd.
func sshConfigOf(t *testing.T) string {
	t.Helper()
	config := os.Getenv("MLX_TEST_SSH")
	if config == "" {
		t.Fatal("MLX_TEST_SSH names no ssh_config: .ci/sshd up; eval \"$(.ci/sshd env)\"")
	}
	return config
}
