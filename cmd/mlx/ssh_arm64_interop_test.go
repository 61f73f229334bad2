//go:build interop

package main

import (
	"crypto/sha256"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// qemuArm64 executes programs for arm64, by the rule for the kernel behind it.
const (
	qemuArm64     = "/usr/bin/qemu-aarch64-static"
	qemuArm64Rule = `:arm64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:` +
		`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:` + qemuArm64 + `:F`
)

// arm64Program is mlx for arm64, as it is released.
func arm64Program(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("MLX_TEST_AGENT_ARM64"); path != "" { // one that was built before
		return path
	}
	path := filepath.Join(t.TempDir(), "mlx")
	build := exec.Command("go", "build", "-trimpath", "-tags", "disable_grpc_modules", "-ldflags", "-s -w", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// arm64Host makes each session on a server one of a machine that says it is aarch64 and that executes programs for it, in a name space of
// its own: this machine's own kernel is left as it is.
func arm64Host(p *somebody, s *sshServer) {
	p.t.Helper()
	if _, err := os.Stat(qemuArm64); err != nil {
		p.t.Fatalf("%v: install qemu-user-static", err)
	}
	p.write([]byte(qemuArm64Rule), "arm64", "rule")
	p.write([]byte("#!/bin/sh\n[ \"$*\" = -sm ] && echo Linux aarch64 && exit\nexec /usr/bin/uname \"$@\"\n"), "arm64", "bin", "uname")
	p.write(fmt.Appendf(nil, `#!/bin/sh
exec unshare --user --map-root-user --mount sh -c '
	mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && cat "$0/rule" >/proc/sys/fs/binfmt_misc/register || exit 126
	PATH=$0/bin:$PATH; export PATH
	eval "$SSH_ORIGINAL_COMMAND"' '%s'
`, p.path("arm64")), "arm64", "session")
	for _, name := range []string{"session", "bin/uname"} {
		if err := os.Chmod(p.path("arm64", name), 0o755); err != nil {
			p.t.Fatal(err)
		}
	}
	file, err := os.OpenFile(filepath.Join(filepath.Dir(s.config), "sshd_config"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	defer file.Close()
	if _, err := fmt.Fprintf(file, "ForceCommand %s\n", p.path("arm64", "session")); err != nil {
		p.t.Fatal(err)
	}
	s.tell("restart")
}

// TestInteropArm64: a host of another architecture gets the mlx for it, which does there what it does here; where there is none, it is
// said what is missing.
func TestInteropArm64(t *testing.T) {
	if runtime.GOARCH == "arm64" {
		t.Skip("this machine is one: the other tests are about it")
	}
	t.Parallel() // it waits, most of the time
	program := arm64Program(t)
	s := newSSHServer(t)
	p := sshProject(t, s.config)
	p.env = append(p.env, "XDG_CACHE_HOME="+p.path(".cache"))
	arm64Host(p, s)
	p.write([]byte("data\n"), "project", "data", "file")
	p.do("project", "mlx", "snapshot", "data")
	words := []string{"mlx", "run", "--on", "box", "-d", "data", "-o", "out", "--", "sh", "-c", "uname -sm; mkdir -p out; cp data/file out; echo $MLX_RUN_ID >>" + p.path("count")}

	_, problem, status := p.try("project", words...)
	if status == 0 || !strings.Contains(problem, "there is no mlx for linux arm64 here: no mlx-linux-arm64 in ") {
		t.Errorf("without mlx for it: status %d: %s", status, problem)
	}
	id, _ := p.stateOf("project")
	p.do("project", "mlx", "job", "cancel", id)

	version := decoded[struct{ Version string }](t, p.do("project", "mlx", "version", "--json")).Version
	binary, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	p.write(binary, ".cache", "mlx", "agents", version, "mlx-linux-arm64")
	if out := p.do("project", words...); out != "Linux aarch64\n" {
		t.Errorf("it printed %q", out)
	}
	there := p.path("node", "bin", fmt.Sprintf("%x", sha256.Sum256(binary)), "mlx")
	f, err := elf.Open(there)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Machine != elf.EM_AARCH64 {
		t.Errorf("mlx there is for %s", f.Machine)
	}
	if got, err := os.ReadFile(p.path("project", "out", "file")); err != nil || string(got) != "data\n" {
		t.Errorf("the output is %q, %v", got, err)
	}
	text := p.do("project", "mlx", "show", "@last", "--json")
	if !strings.Contains(text, `"arch":"arm64"`) {
		t.Errorf("the record does not say what it was executed on: %s", text)
	}
	if ids := p.executed(); len(ids) != 1 {
		t.Errorf("it was executed as %v", ids)
	}
	p.do("project", "mlx", "verify")
	p.nothingLeft()
}
