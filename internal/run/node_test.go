package run

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const smiBanner = `Thu Nov 26 16:14:33 2026
+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 550.54.15              Driver Version: 550.54.15      CUDA Version: 12.4     |
|-----------------------------------------+------------------------+----------------------+
| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |
|   0  NVIDIA A100-SXM4-40GB          On  |   00000000:07:00.0 Off |                   On |
+-----------------------------------------------------------------------------------------+
| Processes:                                                                              |
|    0   N/A  N/A      4242      C   nvidia-cuda-mps-server                         28MiB |
+-----------------------------------------------------------------------------------------+
`

const smiList = `GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-d1b3f0a2-0000-1111-2222-333344445555)
  MIG 3g.20gb     Device  0: (UUID: MIG-c7384736-a75d-5afc-978f-d2f1294409fd)
  MIG 1g.5gb      Device  1: (UUID: MIG-a28ad590-3fda-56dd-84fc-0a0b96edc58d)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-aaaaaaaa-0000-1111-2222-333344445555)
`

const kmsg = `6,1201,90000000,-;NVRM: loading NVIDIA UNIX x86_64 Kernel Module  550.54.15
4,1301,100000000,-;NVRM: Xid (PCI:0000:07:00): 13, pid=1, name=old, Graphics Exception
4,1302,200000000,-;NVRM: Xid (PCI:0000:07:00): 31, pid=4321, name=python, Ch 00000008, intr 00000000. MMU Fault
4,1303,200000100,-;NVRM: Xid (PCI:0000:07:00): 31, pid=4321, name=python, Ch 00000009
4,1304,201000000,-;NVRM: Xid (PCI:0000:3b:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.
garbage
4,x,y;NVRM: Xid (PCI:0000:3b:00): 79, no time
`

const quota = `Disk quotas for user ana (uid 1000): 
     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace
nas:/export/home 51200000* 51200000 56320000  6days  1234       0       0        
     /dev/sda1  100   0   0           1  0 0
`

func TestNodeFacts(t *testing.T) {
	n := NodeTexts{Banner: smiBanner, List: smiList, Kernel: kmsg, Quota: quota, Since: 150 * time.Second, ROCm: "6.2.0-66\n",
		AMD: "============\nDriver version: 6.8.5\n", Environ: []string{"HTTPS_PROXY=http://ana:pw@proxy:3128"}}
	want := []NodeFact{
		{What: "driver", Text: "NVIDIA driver 550.54.15, up to CUDA 12.4"},
		{What: "mig", Text: "instance 0 (3g.20gb) of GPU 0, NVIDIA A100-SXM4-40GB"},
		{What: "mig", Text: "instance 1 (1g.5gb) of GPU 0, NVIDIA A100-SXM4-40GB"},
		{What: "mps", Text: "MPS is active: processes of others may share the GPUs"},
		{What: "rocm", Text: "ROCm 6.2.0-66, driver 6.8.5"},
		{What: "xid", Bad: true, Text: "GPU 0000:07:00: Xid 31 (the program used memory of the GPU that is not its own); pid=4321, name=python, Ch 00000008, intr 00000000. MMU Fault"},
		{What: "xid", Bad: true, Text: "GPU 0000:3b:00: Xid 79 (the GPU has fallen off the bus): the machine is to blame, not the command; pid='<unknown>', name=<unknown>, GPU has fallen off the bus."},
		{What: "quota", Bad: true, Text: "the quota of nas:/export/home is nearly used up: 50000 of 50000 MiB"},
		{What: "internet", Text: "HTTPS_PROXY is http://proxy:3128"},
	}
	if diff := cmp.Diff(want, n.Facts()); diff != "" {
		t.Error(diff)
	}
	if got := (NodeTexts{}).Facts(); len(got) != 1 || got[0].Text != "no proxy is set" {
		t.Errorf("of a node that says nothing: %v", got)
	}
}

func TestDriverFact(t *testing.T) {
	for banner, want := range map[string]string{
		"Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 550.54\n":                                         "Failed to initialize NVML: Driver/library version mismatch",
		"NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed": "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed",
		"No devices were found\n": "No devices were found",
	} {
		if got, bad := driverFact(banner); got != want || !bad {
			t.Errorf("%q: %q, %v", banner, got, bad)
		}
	}
}

func TestFrameworkFact(t *testing.T) {
	for _, c := range []struct {
		packages, banner, want string
		bad                    bool
	}{
		{"numpy==2.0\nnvidia-cuda-runtime-cu12==12.1.105\ntorch==2.4.0\n", smiBanner, "", false},
		{"nvidia-cuda-runtime-cu12==12.8.90\n", smiBanner, "the driver is older than the packages: it can do CUDA 12.4, and nvidia-cuda-runtime 12.8 is installed", false},
		{"nvidia-cuda-runtime==13.0.48\n", smiBanner, "the driver is too old: it can do CUDA 12.4, and nvidia-cuda-runtime 13.0 is installed", true},
		{"torch==2.9.0+cu130\n", smiBanner, "the driver is too old: it can do CUDA 12.4, and torch for CUDA 13.0 is installed", true},
		{"torch==2.9.0+cpu\n", smiBanner, "", false},
		{"nvidia-cuda-runtime-cu12==12.8.90\n", "", "", false},
	} {
		if got, _ := FrameworkFact(c.packages, c.banner); got.Text != c.want || got.Bad != c.bad {
			t.Errorf("%q: %+v", c.packages, got)
		}
	}
}

func FuzzNodeFacts(f *testing.F) {
	f.Add(smiBanner, smiList, kmsg, quota)
	f.Fuzz(func(t *testing.T, banner, list, kernel, quota string) {
		for _, fact := range (NodeTexts{Banner: banner, List: list, Kernel: kernel, Quota: quota, ROCm: banner, AMD: list}).Facts() {
			if len(fact.Text) > 4096 || fact.Text == "" {
				t.Errorf("%+v", fact)
			}
		}
		FrameworkFact(list, banner)
	})
}
