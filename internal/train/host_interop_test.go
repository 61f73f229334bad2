//go:build interop

package train

import (
	"os"
	"path/filepath"
	"testing"
)

// sshHost is gpu-box of the server that MLX_TEST_SSH describes.
func sshHost(t *testing.T, name string) *Host {
	t.Helper()
	config := os.Getenv("MLX_TEST_SSH")
	if config == "" {
		t.Fatal("MLX_TEST_SSH names no ssh_config: .ci/sshd up; eval \"$(.ci/sshd env)\"")
	}
	return &Host{Name: name, Dir: filepath.Join(t.TempDir(), "node"), SSH: []string{"ssh", "-F", config}, Self: fakeAgent(t), Cache: t.TempDir()}
}

func TestWordsArriveOverSSH(t *testing.T) {
	for _, name := range []string{"gpu-box", "gpu-behind-bastion"} {
		h := sshHost(t, name)
		for _, word := range hostileWords() {
			got, err := h.Run(t.Context(), []string{"printf", "%s|", word, "end"}, nil)
			if err != nil || got.Status != 0 || string(got.Stdout) != word+"|end|" {
				t.Errorf("%s: %q arrives as %q %q, %v", name, word, got.Stdout, got.Stderr, err)
			}
		}
	}
}
