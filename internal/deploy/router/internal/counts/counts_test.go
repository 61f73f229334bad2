package counts

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const cells = 100

func TestMain(m *testing.M) {
	if path := os.Getenv("COUNTS_TEST_CHILD"); path != "" {
		count(path)
		return
	}
	os.Exit(m.Run())
}

// count counts in the file, and then waits to be killed.
func count(path string) {
	c, err := Open(path, cells)
	if err != nil {
		os.Exit(1)
	}
	for range 10_000 {
		c.N[7].Add(1)
	}
	os.Stdout.WriteString("x")
	select {}
}

// TestKilledCounters holds that what processes counted one after the other is all there after each was killed.
func TestKilledCounters(t *testing.T) {
	if !mappable {
		t.Skip("no memory is mapped here")
	}
	path := filepath.Join(t.TempDir(), "counts")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), "COUNTS_TEST_CHILD="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait()
	}
	c, err := Open(path, cells)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.N[7].Load(); got != 30_000 || !c.Lasting {
		t.Errorf("%d were counted, lasting %v", got, c.Lasting)
	}
}

func TestOtherFormBeginsAnew(t *testing.T) {
	if !mappable {
		t.Skip("no memory is mapped here")
	}
	path := filepath.Join(t.TempDir(), "counts")
	for name, content := range map[string]string{"short": "abc", "as long": string(make([]byte, (cells+1)*cellBytes))} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Open(path, cells)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := c.N[0].Add(2); got != 2 || len(c.N) != cells {
			t.Errorf("%s: %d in the first of %d cells", name, got, len(c.N))
		}
		again, err := Open(path, cells)
		if err != nil || again.N[0].Load() != 2 {
			t.Errorf("%s: the second view has %d, %v", name, again.N[0].Load(), err)
		}
	}
	if _, err := Open(filepath.Join(path, "none", "x"), cells); err == nil {
		t.Error("a folder that is none was opened")
	}
	if at := Monotonic(); at <= 0 || Monotonic() < at {
		t.Errorf("the clock says %d", at)
	}
}

func TestAnybodyReadsWhatWasCounted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cells")
	if _, err := Read(path, 3); err == nil {
		t.Error("a file that is not there was read")
	}
	c, err := Open(path, 5)
	if err != nil {
		t.Fatal(err)
	}
	if !c.Lasting {
		t.Skip("memory cannot be mapped here")
	}
	c.N[1].Add(7)
	if n, err := Read(path, 3); err != nil || len(n) != 3 || n[0] != 0 || n[1] != 7 {
		t.Errorf("%v, %v", n, err)
	}
	if _, err := Read(path, 6); err == nil {
		t.Error("more cells were read than there are")
	}
	if err := os.WriteFile(path, make([]byte, 48), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path, 3); err == nil {
		t.Error("another file was read")
	}
}
