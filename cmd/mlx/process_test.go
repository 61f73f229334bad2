package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// somebody has a home folder, and works with git and mlx as real processes.
type somebody struct {
	t    *testing.T
	home string
	env  []string
}

// newSomebody makes a home folder, in memory where Linux has one: a killed process needs no disk to be tested.
func newSomebody(t *testing.T) *somebody {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "mlx-test-")
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &somebody{t: t, home: dir}
	p.env = append(os.Environ(), "HOME="+dir, "USERPROFILE="+dir, "XDG_CONFIG_HOME="+filepath.Join(dir, ".config"), "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Ana", "GIT_AUTHOR_EMAIL=ana@example.com", "GIT_COMMITTER_NAME=Ana", "GIT_COMMITTER_EMAIL=ana@example.com",
		"MLX_PROGRESS=false", "LOGNAME=ana")
	return p
}

// path is a path below the home folder.
func (p *somebody) path(name ...string) string {
	return filepath.Join(append([]string{p.home}, name...)...)
}

// command is a program that will run in a folder below the home folder.
func (p *somebody) command(dir string, words ...string) *exec.Cmd {
	cmd := exec.CommandContext(p.t.Context(), words[0], words[1:]...)
	cmd.Dir, cmd.Env = p.path(dir), slices.Clone(p.env) // callers add to it, side by side
	return cmd
}

// try runs a program and returns what it printed, and its status.
func (p *somebody) try(dir string, words ...string) (out, problem string, status int) {
	p.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := p.command(dir, words...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatalf("%q: %v", words, err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// do runs a program that must succeed.
func (p *somebody) do(dir string, words ...string) string {
	p.t.Helper()
	out, problem, status := p.try(dir, words...)
	if status != 0 {
		p.t.Fatalf("%q in %s: status %d\n%s%s", words, dir, status, out, problem)
	}
	return out
}

// killed runs mlx and kills it after a while. false: it had ended by itself.
func (p *somebody) killed(after time.Duration, dir string, words ...string) bool {
	p.t.Helper()
	var stderr bytes.Buffer
	cmd := p.command(dir, words...)
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // it fails where the process has ended
	err := cmd.Wait()
	timer.Stop()
	if err == nil {
		return false
	}
	if code := cmd.ProcessState.ExitCode(); code >= 0 {
		p.t.Fatalf("%q: status %d\n%s", words, code, stderr.String())
	}
	return true
}

// write makes a file.
func (p *somebody) write(data []byte, name ...string) {
	p.t.Helper()
	path := p.path(name...)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
		p.t.Fatal(err)
	}
}

// sums hashes every file below a folder, but for those of git and mlx.
func (p *somebody) sums(dir string) map[string][32]byte {
	p.t.Helper()
	all := map[string][32]byte{}
	err := fs.WalkDir(os.DirFS(p.path(dir)), ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.Name() == ".git":
			return fs.SkipDir
		case e.IsDir():
			return nil
		}
		b, err := os.ReadFile(p.path(dir, name))
		all[name] = sha256.Sum256(b)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

// project makes a repository with n tracked folders of big bytes and some small files each, and a folder for a remote.
func (p *somebody) project(dir string, n, big int) {
	p.t.Helper()
	p.write(nil, dir, ".keep")
	p.do(dir, "git", "init", "-q", "-b", "main")
	p.do(dir, "mlx", "init")
	for i := range n {
		p.write(seeded(i, big), dir, fmt.Sprintf("d%d", i), "big")
		for k := range 20 {
			p.write(seeded(100*i+k+n, 2000), dir, fmt.Sprintf("d%d", i), fmt.Sprintf("small-%d", k))
		}
		p.do(dir, "mlx", "snapshot", fmt.Sprintf("d%d", i))
	}
}

// share adds a folder as the remote, and commits.
func (p *somebody) share(dir, remote string) {
	p.t.Helper()
	p.do(dir, "mlx", "remote", "add", "share", p.path(remote))
	p.do(dir, "git", "add", "-A")
	p.do(dir, "git", "commit", "-qm", "one")
}

// seeded returns n bytes that are the same for the same seed.
func seeded(seed, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b) // never fails
	return b
}

// decoded reads JSON that a command printed.
func decoded[T any](t *testing.T, out string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(strings.TrimSpace(out)), &v); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return v
}

// weight is how many bytes the files below a folder have, and how many of them match a pattern.
func (p *somebody) weight(pattern string, dir ...string) (total int64, matching []string) {
	p.t.Helper()
	root := p.path(dir...)
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		total += info.Size()
		if ok, err := filepath.Match(pattern, e.Name()); ok || err != nil {
			matching = append(matching, path)
			return err
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return total, matching
}
