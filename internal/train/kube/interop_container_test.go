//go:build interop

package kube

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// killContainer sends KILL to the main container of a pod through the runtime of .ci/kube.
func killContainer(t *testing.T, folder, uid string) {
	t.Helper()
	ctr := []string{"-a", filepath.Join(folder, "containerd.sock"), "-n", "k8s.io"}
	filter := `labels."io.kubernetes.pod.uid"==` + uid + `,labels."io.kubernetes.container.name"==` + mainName
	out, err := exec.Command("ctr", append(ctr, "containers", "ls", "-q", filter)...).Output()
	id := strings.TrimSpace(string(out))
	if err != nil || id == "" {
		t.Fatalf("container %q: %v", id, err)
	}
	if out, err := exec.Command("ctr", append(ctr, "tasks", "kill", "-s", "9", id)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
