//go:build interop

package main

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mlx/internal/cli"
)

// TestAgentImageInterop has Debian's docker-registry hold mlx itself: once.
func TestAgentImageInterop(t *testing.T) {
	registry, data := needs(t, "MLX_TEST_REGISTRY"), needs(t, "MLX_TEST_REGISTRY_DATA")
	t.Setenv("DOCKER_CONFIG", needs(t, "MLX_TEST_REGISTRY_CONFIG"))
	agent := staticProgram(t)
	a := newApp(nil, cli.Discard())
	repository := registry + "/agents/" + strings.ToLower(filepath.Base(t.TempDir()))
	ref, err := a.agentImage(context.Background(), repository, "linux/amd64", agent)
	if err != nil {
		t.Fatal(err)
	}
	if name, digest, _ := strings.Cut(ref, "@"); name != repository || !strings.HasPrefix(digest, "sha256:") {
		t.Error(ref)
	}
	before := written(t, data)
	if again, err := a.agentImage(context.Background(), repository, "linux/amd64", agent); err != nil || again != ref {
		t.Error(again, err)
	}
	if after := written(t, data); len(after) != len(before) {
		t.Errorf("%d files became %d", len(before), len(after))
	} else {
		for name, at := range before {
			if after[name] != at && strings.Contains(name, "/agents/") {
				t.Errorf("%s was written again", name)
			}
		}
	}
	if _, err := a.agentImage(context.Background(), repository, "linux/arm64", agent); err == nil || !strings.Contains(err.Error(), "not for linux/arm64") {
		t.Error(err)
	}
}

// written is when each file below a folder was.
func written(t *testing.T, dir string) map[string]time.Time {
	t.Helper()
	all := map[string]time.Time{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := os.Stat(path)
		if err == nil {
			all[path] = info.ModTime()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
