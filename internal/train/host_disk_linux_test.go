package train

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"mlx/internal/fault"
)

// mountsVar tells the test binary that it has mounts of its own.
const mountsVar = "MLX_TEST_OWN_MOUNTS"

// TestNodesThatTakeNothing: the folder for mlx does not let programs run, is full, or cannot be written. The host says which, and
// keeps nothing.
func TestNodesThatTakeNothing(t *testing.T) {
	if os.Getenv(mountsVar) == "" {
		inOwnMounts(t)
		return
	}
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		flags uintptr
		data  string
		kind  fault.Kind
		want  string
	}{
		{"noexec", syscall.MS_NOEXEC, "size=64m", fault.Denied, "may not be executed (noexec)"},
		{"full", 0, "size=4096", fault.Unavailable, "No space left on device"},
		{"read-only", syscall.MS_RDONLY, "", fault.Denied, "Read-only file system"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := syscall.Mount("tmpfs", dir, "tmpfs", c.flags, c.data); err != nil {
				t.Fatal(err)
			}
			defer syscall.Unmount(dir, syscall.MNT_DETACH)
			for _, shell := range shells(t) {
				h := &Host{Name: "node", Dir: dir, SSH: fakeSSH(t, strings.Join(shell, " ")), Self: selfOf(t), Cache: t.TempDir()}
				_, err := h.Install(t.Context())
				if c.name == "full" && shell[0] == "busybox" {
					c.want = "I/O error"
				}
				if fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) || !strings.Contains(strings.Join(fault.Hints(err), ""), "dir:") {
					t.Errorf("%s: %v: %v, want %s", shell, fault.KindOf(err), err, c.want)
				}
				left, err := filepath.Glob(filepath.Join(dir, "bin", "*", "*"))
				if err != nil || len(left) > 0 {
					t.Errorf("%s: left behind: %q, %v", shell, left, err)
				}
			}
		})
	}
}

// inOwnMounts runs this test again where it may mount: as root, or as the root of its own users.
func inOwnMounts(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), mountsVar+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v (it needs root, or name spaces of users)\n%s", err, out)
	}
}
