//go:build unix

package run

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const nvidiaTable = `NVIDIA A100-SXM4-80GB, GPU-5f2a3c1e-0000-1111-2222-333344445555, 81920, 550.54.15
NVIDIA A100-SXM4-80GB, GPU-6f2a3c1e-0000-1111-2222-333344445555, 81920, 550.54.15
`

const nvidiaBanner = `Thu Nov 26 01:00:00 2026
+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 550.54.15              Driver Version: 550.54.15      CUDA Version: 12.4     |
|-----------------------------------------+------------------------+----------------------+
`

// playDriver is the program of a driver.
func playDriver(args []string) int {
	switch os.Getenv("RUN_TEST_DRIVER") {
	case "slow":
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		<-stop
	case "broken":
		fmt.Println("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.")
		return 9
	}
	if len(args) > 0 {
		fmt.Print(nvidiaTable)
	} else {
		fmt.Print(nvidiaBanner)
	}
	return 0
}

// withDriver puts a program of a driver on the PATH.
func withDriver(t *testing.T, name, behaviour string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	t.Setenv("RUN_TEST_ROLE", "driver")
	t.Setenv("RUN_TEST_DRIVER", behaviour)
}

func TestAskGPUs(t *testing.T) {
	a100 := GPU{Name: "NVIDIA A100-SXM4-80GB", UUID: "GPU-5f2a3c1e-0000-1111-2222-333344445555", MemoryBytes: 80 << 30, Driver: "550.54.15", CUDA: "12.4"}
	second := a100
	second.UUID = "GPU-6f2a3c1e-0000-1111-2222-333344445555"
	ask := func() []GPU {
		asking := AskGPUs(t.Context())
		<-asking.done
		return asking.Answer()
	}
	t.Run("two", func(t *testing.T) {
		withDriver(t, "nvidia-smi", "")
		if diff := cmp.Diff([]GPU{a100, second}, ask()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("no driver", func(t *testing.T) {
		withDriver(t, "nvidia-smi", "broken")
		if got := ask(); got != nil {
			t.Error(got)
		}
	})
	t.Run("no program", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		if got := ask(); got != nil {
			t.Error(got)
		}
	})
	t.Run("one that does not answer", func(t *testing.T) {
		withDriver(t, "nvidia-smi", "slow")
		ctx, cancel := context.WithCancel(t.Context())
		asking := AskGPUs(ctx)
		began := time.Now()
		if got := asking.Answer(); got != nil {
			t.Error(got)
		}
		if waited := time.Since(began); waited < gpuGrace {
			t.Errorf("waited only %v", waited)
		}
		cancel() // the run is over: the program goes
		<-asking.done
	})
}

func TestParseNvidia(t *testing.T) {
	got := parseNvidia([]byte("NVIDIA GH200, GPU-1, [N/A], 560\nbroken\n, , ,\n\"x, y\", GPU-2, 99999999999999999, 560\n"), nil)
	want := []GPU{{Name: "NVIDIA GH200", UUID: "GPU-1", Driver: "560"}, {Name: "x, y", UUID: "GPU-2", Driver: "560"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzParseNvidia(f *testing.F) {
	f.Add([]byte(nvidiaTable), []byte(nvidiaBanner))
	f.Fuzz(func(t *testing.T, table, banner []byte) {
		for _, g := range parseNvidia(table, banner) {
			if g.Name == "" || g.MemoryBytes < 0 || g.MemoryBytes > 1<<53 {
				t.Errorf("%+v", g)
			}
		}
		parseAMD(table)
	})
}

func TestParseAMD(t *testing.T) {
	got := parseAMD([]byte(`{"card10": {"Card Series": "AMD Instinct MI300X", "Unique ID": "0x2", "VRAM Total Memory (B)": "206141652992"},
		"card2": {"Card series": "AMD Instinct MI300X", "Unique ID": "0x1"}, "system": {"Driver version": "6.7.0"}}`))
	want := []GPU{{Name: "AMD Instinct MI300X", UUID: "0x1", Driver: "6.7.0"}, {Name: "AMD Instinct MI300X", UUID: "0x2", Driver: "6.7.0", MemoryBytes: 206141652992}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := parseAMD([]byte("no JSON")); got != nil {
		t.Error(got)
	}
}

func TestDriverGPUs(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	got := driverGPUs(fstest.MapFS{
		"proc/driver/nvidia/version":                       file("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC version:  gcc version 12.2.0\n"),
		"proc/driver/nvidia/gpus/0000:07:00.0/information": file("Model: \t\t NVIDIA A100-SXM4-80GB\nIRQ:   \t\t 16\nGPU UUID: \t GPU-5f2a3c1e\nVideo BIOS: \t 92.00\n"),
	})
	if diff := cmp.Diff([]GPU{{Name: "NVIDIA A100-SXM4-80GB", UUID: "GPU-5f2a3c1e", Driver: "550.54.15"}}, got); diff != "" {
		t.Error(diff)
	}
	if got := driverGPUs(fstest.MapFS{}); got != nil {
		t.Error(got)
	}
}
