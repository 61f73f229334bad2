package run

import (
	"os"
	"path/filepath"
	"testing"
)

// TestOutOfMemoryIn: the group is found by its name, and where that is one of the world outside by what is mounted.
func TestOutOfMemoryIn(t *testing.T) {
	for name, c := range map[string]struct {
		named, file, text string
		times             int64
		ok                bool
	}{
		"version 2":               {"0::/user/ana\n", "user/ana/memory.events", "oom 3\noom_kill 2\n", 2, true},
		"version 1":               {"7:cpu:/a\n5:memory:/b\n", "memory/b/memory.oom_control", "under_oom 0\noom_kill 1\n", 1, true},
		"container, version 2":    {"0::/pods/x\n", "memory.events", "oom_kill 4\n", 4, true},
		"container, version 1":    {"5:memory:/pods/x\n", "memory/memory.oom_control", "oom_kill 5\n", 5, true},
		"no names":                {"", "memory.events", "oom_kill 6\n", 6, true},
		"another controller":      {"5:cpu:/b\n", "memory/b/memory.oom_control", "oom_kill 1\n", 0, false},
		"a kernel that is silent": {"0::/a\n", "a/memory.events", "oom 3\n", 0, false},
	} {
		mounted := t.TempDir()
		file := filepath.Join(mounted, filepath.FromSlash(c.file))
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(c.text), 0o666); err != nil {
			t.Fatal(err)
		}
		if times, ok := outOfMemoryIn(mounted, c.named); times != c.times || ok != c.ok {
			t.Errorf("%s: %d, %v", name, times, ok)
		}
	}
}
