package run

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// What only root may read is not read, and that is said. Root itself becomes somebody else for the time, as far as files are concerned.
func TestRAPLOfRootOnly(t *testing.T) {
	c := twoPackages(t)
	if err := os.Chmod(filepath.Dir(c.root), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(c.root, "intel-rapl:1", "energy_uj")
	if err := os.Chmod(file, 0); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"intel-rapl:0/name", "intel-rapl:1/name", "intel-rapl:0/energy_uj", "intel-rapl:0/max_energy_range_uj"} {
		if err := os.Chmod(filepath.Join(c.root, filepath.FromSlash(name)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan []Drawn)
	go func() {
		runtime.LockOSThread() // the thread ends with this function: nobody else gets it
		if os.Geteuid() == 0 {
			_ = unix.Setfsuid(65534) // whether it worked, the reading tells
		}
		done <- openRAPL(c.root).drawn()
	}()
	if d := <-done; len(d) != 1 || d[0].Joules != 0 || d[0].Missing != "CPU: "+file+" may be read by root only" {
		t.Errorf("%+v", d)
	}
}
