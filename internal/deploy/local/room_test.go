package local

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

func TestWhatAMachineHasFree(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	meminfo := put("meminfo", "MemTotal:       24589312 kB\nMemFree:  1 kB\nMemAvailable:   2097152 kB\n")
	if got := freeMemory(meminfo, filepath.Join(dir, "none")); got != 2<<30 {
		t.Errorf("%d bytes are free", got)
	}
	put("group/memory.max", "1073741824\n")
	put("group/memory.current", "536870912\n")
	if got := freeMemory(meminfo, filepath.Join(dir, "group")); got != 512<<20 {
		t.Errorf("%d bytes are free in a group", got)
	}
	put("group/memory.stat", "anon 5\ninactive_file 268435456\n")
	if got := freeMemory(meminfo, filepath.Join(dir, "group")); got != 768<<20 {
		t.Errorf("%d bytes are free in a group that has copies of files", got)
	}
	put("old/memory/memory.limit_in_bytes", "1073741824\n")
	put("old/memory/memory.usage_in_bytes", "1073741824\n")
	if got := freeMemory(meminfo, filepath.Join(dir, "old")); got != 1 {
		t.Errorf("%d bytes are free in a full group", got)
	}
	put("old/memory/memory.limit_in_bytes", "9223372036854771712\n")
	if got := freeMemory(meminfo, filepath.Join(dir, "old")); got != 2<<30 {
		t.Errorf("%d bytes are free in a group of version 1 without a limit", got)
	}
	put("group/memory.max", "max\n")
	if got := freeMemory(meminfo, filepath.Join(dir, "group")); got != 2<<30 {
		t.Errorf("%d bytes are free in a group without a limit", got)
	}
	if got := freeMemory(filepath.Join(dir, "none"), dir); got != 0 {
		t.Errorf("%d bytes are free where nobody says so", got)
	}
	free, sizes := parseFree([]byte("5000, 81559\n[N/A], 10\n70000, 81559\n"))
	if len(free) != 2 || free[0] != 5000<<20 || sizes[1] != 81559<<20 {
		t.Errorf("%v of %v", free, sizes)
	}
	if got := parseHeld([]byte("17, 100\n17, 20\n18, [Insufficient Permissions]\nNo running processes found\n")); len(got) != 1 || got[17] != 120<<20 {
		t.Errorf("%v", got)
	}
}

// TestServersHoldGPUs asks a program that tells what nvidia-smi does: one process is a server of the service.
func TestServersHoldGPUs(t *testing.T) {
	if groupOf(os.Getpid()) == 0 {
		t.Skip("this system does not tell groups of processes")
	}
	dir, bin := t.TempDir(), t.TempDir()
	group := groupOf(os.Getpid())
	note := `{"key":"abc","n":1,"port":1,"process":{"pid":` + strconv.Itoa(group) + `,"start":""}}`
	if err := os.MkdirAll(filepath.Join(dir, serversName), 0o700); err != nil {
		t.Fatal(err)
	}
	program := "#!/bin/sh\ncase $1 in *compute-apps*) echo " + strconv.Itoa(os.Getpid()) + ", 300; echo 1, 70000;; *) echo 9000, 81559;; esac\n"
	for name, text := range map[string]string{filepath.Join(dir, serversName, "abc-1.json"): note, filepath.Join(bin, "nvidia-smi"): program} {
		if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	m := LookAtMachine(t.Context(), dir)
	if len(m.GPUs) != 1 || m.GPUs[0] != 9000<<20 || m.Held["abc"] != 300<<20 || len(m.Held) != 1 {
		t.Errorf("%+v", m)
	}
}

func FuzzNvidia(f *testing.F) {
	f.Add([]byte("5000, 81559\n"))
	f.Add([]byte("\"x\n, [N/A]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, line := range numbers(text) {
			if line[0] < 0 || line[1] < 0 {
				t.Errorf("%q: %v", text, line)
			}
		}
	})
}
