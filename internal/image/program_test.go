package image

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	fake "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// program builds a small program of Linux.
func program(t *testing.T, arch string) string {
	t.Helper()
	dir := t.TempDir()
	source, file := filepath.Join(dir, "main.go"), filepath.Join(dir, "small-"+arch)
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() { println(\"hello\") }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", file, source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return file
}

func TestImageOfAProgram(t *testing.T) {
	file := program(t, "arm64")
	p := Program{Name: "mlx", File: file, Platform: Platform{OS: "linux", Arch: "arm64"}, Labels: map[string]string{LabelVersion: "1"}}
	b, err := p.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "another-name")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(other, time.Unix(5, 5), time.Unix(5, 5)); err != nil {
		t.Fatal(err)
	}
	p.File = other
	again, err := p.Build(t.Context())
	if err != nil || again.Digest != b.Digest {
		t.Errorf("%v: %s and %s", err, again.Digest, b.Digest)
	}
	config, err := b.image.ConfigFile()
	if err != nil || config.Architecture != "arm64" || config.OS != "linux" || config.Config.User != nobody || config.Config.Entrypoint[0] != "/mlx" {
		t.Errorf("%+v: %v", config, err)
	}
	layers, err := b.image.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatal(len(layers), err)
	}
	files := content(t, layers[0])
	if len(files) != 2 || files["mlx"] != string(text) || files["tmp/"] != "" {
		t.Errorf("%d files", len(files))
	}
}

func content(t *testing.T, l v1.Layer) map[string]string {
	t.Helper()
	in, err := l.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	files := map[string]string{}
	for archive := tar.NewReader(in); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = string(text)
	}
}

// TestProgramThatCouldNotStart: whoever finds that out in a cluster has to look for it.
func TestProgramThatCouldNotStart(t *testing.T) {
	here := Platform{OS: "linux", Arch: "amd64"}
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ file, want string }{
		"of another platform": {program(t, "arm64"), "a program for EM_AARCH64, not for linux/amd64"},
		"no program":          {script, "no program of Linux"},
		"not there":           {script + "2", "no such file"},
	} {
		_, err := Program{Name: "mlx", File: c.file, Platform: here}.Build(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if shell, err := exec.LookPath("bash"); err == nil { // of this machine, which may be another one
		if _, err := (Program{Name: "mlx", File: shell, Platform: here}).Build(t.Context()); err == nil {
			t.Error("a program that needs libraries was taken")
		}
	}
}

// TestAnImageOfSeveralPlatforms: each machine pulls its own program by the one digest.
func TestAnImageOfSeveralPlatforms(t *testing.T) {
	s := httptest.NewServer(fake.New())
	defer s.Close()
	var all []*Built
	for _, arch := range []string{"amd64", "arm64"} {
		b, err := Program{Name: "mlx", File: program(t, arch), Platform: Platform{OS: "linux", Arch: arch}}.Build(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	if one, err := Platforms(all[:1]); err != nil || one != all[0] {
		t.Error("an image of one platform is no list", err)
	}
	b, err := Platforms(all)
	if err != nil {
		t.Fatal(err)
	}
	to := strings.TrimPrefix(s.URL, "http://") + "/team/flights"
	for range 2 { // what is there is known
		name, err := Access{}.Keep(t.Context(), to, b)
		if err != nil || name != to+"@"+b.Digest {
			t.Fatal(name, err)
		}
	}
	for i, arch := range []string{"amd64", "arm64"} {
		base, err := Access{}.OpenBase(t.Context(), to+"@"+b.Digest, Platform{OS: "linux", Arch: arch})
		if err != nil || base.Digest != all[i].Digest {
			t.Errorf("%s: %+v %v", arch, base, err)
		}
	}
	if _, err := (Access{}).OpenBase(t.Context(), to+"@"+b.Digest, Platform{OS: "linux", Arch: "riscv64"}); err == nil {
		t.Error("there is none for riscv64")
	}
}

// TestAProgramIsSentOnce counts what a registry is asked to take.
func TestAProgramIsSentOnce(t *testing.T) {
	var sent atomic.Int64
	registry := fake.New()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			sent.Add(1)
		}
		registry.ServeHTTP(w, r)
	}))
	defer s.Close()
	b, err := Program{Name: "mlx", File: program(t, "amd64"), Platform: Platform{OS: "linux", Arch: "amd64"}}.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, repository := context.WithoutCancel(t.Context()), strings.TrimPrefix(s.URL, "http://")+"/team/flights"
	ref, err := Access{}.Keep(ctx, repository, b)
	if err != nil || ref != repository+"@"+b.Digest || sent.Load() == 0 {
		t.Fatalf("%q, %d: %v", ref, sent.Load(), err)
	}
	sent.Store(0)
	again, err := Access{}.Keep(ctx, repository, b)
	if err != nil || again != ref || sent.Load() != 0 {
		t.Errorf("%q, %d requests sent something: %v", again, sent.Load(), err)
	}
	if _, err := (Access{}).Keep(ctx, "./here", b); err == nil {
		t.Error("a folder was taken for a registry")
	}
}
