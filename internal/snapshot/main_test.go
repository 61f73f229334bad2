package snapshot

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// childVar tells the test binary to be a child of a test: the job's name, then its arguments, separated by newlines.
const childVar = "MLX_SNAPSHOT_CHILD"

// jobs are what the test binary can do as a child process. Each returns when it is done, or is killed.
func jobs() map[string]func(args []string) error {
	return map[string]func([]string) error{
		"crash":  crashChild,
		"saver":  saverChild,
		"limit":  limitChild,
		"guest":  guestChild,
		"fetch":  fetchChild,
		"memory": memoryChild,

		"guest-save": guestSaveChild,
	}
}

func TestMain(m *testing.M) {
	text, child := os.LookupEnv(childVar)
	if !child {
		os.Exit(m.Run())
	}
	args := strings.Split(text, "\n")
	if err := jobs()[args[0]](args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// soak returns how long a test may go on beyond its usual share: MLX_SOAK, as "make soak" sets it.
func soak(t *testing.T) time.Duration {
	text := os.Getenv("MLX_SOAK")
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("MLX_SOAK: %v", err)
	}
	return d
}

// memoryDir returns a new folder, in memory where Linux has one: a killed process needs no disk to be tested.
func memoryDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "mlx-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
