//go:build gpu

package local

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// holding takes 2 GiB of the first GPU by the driver alone, and keeps them until it is killed.
const holding = `
import ctypes, sys, time
cuda = ctypes.CDLL("libcuda.so.1")
device, context, at = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p()
for failed in (cuda.cuInit(0), cuda.cuDeviceGet(ctypes.byref(device), 0), cuda.cuCtxCreate_v2(ctypes.byref(context), 0, device),
               cuda.cuMemAlloc_v2(ctypes.byref(at), ctypes.c_size_t(2 << 30))):
    if failed:
        sys.exit("status %d of CUDA" % failed)
print("ready", flush=True)
time.sleep(600)
`

// TestARealGPU holds that what nvidia-smi prints is understood: a server that takes 2 GiB leaves so much less, and holds it.
func TestARealGPU(t *testing.T) {
	if _, err := exec.LookPath("nvidia-smi"); err != nil {
		t.Fatal("there is no nvidia-smi: this test is for a machine with a GPU of NVIDIA")
	}
	dir := t.TempDir()
	before := LookAtMachine(t.Context(), dir)
	if len(before.GPUs) == 0 || before.GPUs[0] <= 2<<30 || before.Sizes[0] < before.GPUs[0] || before.Memory <= 0 {
		t.Fatalf("%+v", before)
	}
	server := exec.Command("python3", "-c", holding)
	server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	server.Stderr = os.Stderr
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	}()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("nobody holds a GPU: %q, %v", line, err)
	}
	note := `{"key":"abc","process":{"pid":` + strconv.Itoa(server.Process.Pid) + `}}`
	if err := os.MkdirAll(filepath.Join(dir, serversName), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, serversName, "abc-1.json"), []byte(note), 0o600); err != nil {
		t.Fatal(err)
	}
	after := LookAtMachine(t.Context(), dir)
	t.Logf("before %+v, after %+v", before, after)
	if len(after.GPUs) == 0 || before.GPUs[0]-after.GPUs[0] < 2<<30 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if held := after.Held["abc"]; held != 0 && held < 2<<30 { // in a container nvidia-smi may not see who holds it
		t.Errorf("the server holds %d bytes", held)
	}
}
