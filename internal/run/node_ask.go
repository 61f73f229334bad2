package run

import (
	"context"
	"os"
	"os/exec"
	"sync"
	"time"
)

// nodePatience is how long the programs of a node may take to say what they know.
const nodePatience = 10 * time.Second

// AskNode asks the programs and files of this node. What the kernel has to say of the run is asked later, by KernelLog.
func AskNode(ctx context.Context, environ []string) NodeTexts {
	ctx, cancel := context.WithTimeout(ctx, nodePatience)
	defer cancel()
	n := NodeTexts{Environ: environ, Since: sinceBoot(), ROCm: systemFile(os.DirFS("/"), "opt/rocm/.info/version")}
	var group sync.WaitGroup
	ask := func(to *string, name string, args ...string) {
		group.Go(func() { *to = saying(ctx, name, args...) })
	}
	ask(&n.Banner, "nvidia-smi")
	ask(&n.List, "nvidia-smi", "-L")
	ask(&n.AMD, "rocm-smi", "--showdriverversion")
	ask(&n.Quota, "quota", "-w")
	group.Wait()
	return n
}

// saying returns what a program prints, also when it fails: it says why.
func saying(ctx context.Context, name string, args ...string) string {
	file, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	cmd := exec.CommandContext(ctx, file, args...)
	cmd.WaitDelay = time.Second
	var out limitedBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run() // what it printed tells more
	return out.String()
}
