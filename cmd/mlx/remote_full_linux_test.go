package main

import (
	"maps"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// fullVar tells the test binary that it has mounts of its own.
const fullVar = "MLX_TEST_OWN_MOUNTS"

// TestFullDisk fills the disk of the remote, of the store and of the work tree, by small file systems in a name space of this test's own:
// the command says so, and does its work once there is space.
func TestFullDisk(t *testing.T) {
	if os.Getenv(fullVar) == "" {
		inOwnMounts(t)
		return
	}
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	p := newSomebody(t)
	p.project("a", 6, 400_000) // 2.8 MB in 6 packs
	resize := smallDisk(t, p.path("remote"), 1<<20)
	p.share("a", "remote")
	p.full("a", "push")
	p.do(".", "git", "clone", "-q", "a", "store")
	p.do("store", "mlx", "trust", "-y")
	if out, problem, status := p.try("store", "mlx", "pull"); status == 0 { // nothing was acknowledged
		t.Errorf("a pull of what is not there: %s%s", out, problem)
	}
	resize(64 << 20)
	p.do("a", "mlx", "push")

	want := p.sums("a")
	resize = smallDisk(t, p.path("store", ".git", "mlx", "store"), 2<<20)
	p.full("store", "pull")
	resize(64 << 20)
	p.whole("store", want)

	resize = smallDisk(t, p.path("tree"), 4<<20) // the store fits, what is checked out does not
	p.do(".", "git", "clone", "-q", "a", "tree")
	p.do("tree", "mlx", "trust", "-y")
	p.full("tree", "pull")
	resize(64 << 20)
	p.whole("tree", want)
}

// full runs a command that must fail for want of space.
func (p *somebody) full(dir, command string) {
	p.t.Helper()
	_, problem, status := p.try(dir, "mlx", command, "--json")
	if status != 2 || !strings.Contains(problem, "no space left on device") || !strings.Contains(problem, `"error":"unavailable"`) {
		p.t.Errorf("%s on a full disk: status %d\n%s", command, status, problem)
	}
}

// whole pulls and compares.
func (p *somebody) whole(dir string, want map[string][32]byte) {
	p.t.Helper()
	p.do(dir, "mlx", "pull")
	p.do(dir, "mlx", "verify")
	if got := p.sums(dir); !maps.Equal(got, want) {
		p.t.Errorf("%s has %d files, not the %d that were pushed, or others", dir, len(got), len(want))
	}
}

// smallDisk mounts a file system in memory. The function returned changes its size.
func smallDisk(t *testing.T, dir string, size int) (resize func(size int)) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	mount := func(flags uintptr, size int) {
		t.Helper()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", flags, "mode=0755,size="+strconv.Itoa(size)); err != nil {
			t.Fatalf("mount a small file system: %v", err)
		}
	}
	mount(0, size)
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return func(size int) {
		t.Helper()
		mount(syscall.MS_REMOUNT, size)
	}
}

// inOwnMounts runs this test again where it may mount: as root, or as the root of its own users.
func inOwnMounts(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), fullVar+"=1")
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
