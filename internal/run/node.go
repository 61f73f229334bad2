package run

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// NodeTexts is what the programs and files of a node say of it, as they say it. Empty is one that is not there.
type NodeTexts struct {
	Banner  string // nvidia-smi
	List    string // nvidia-smi -L
	ROCm    string // /opt/rocm/.info/version
	AMD     string // rocm-smi --showdriverversion
	Kernel  string // lines of /dev/kmsg
	Quota   string // quota -w
	Since   time.Duration
	Environ []string
}

// Facts reads what is worth knowing of a node when something is wrong. Since is how long after the machine was started the run began:
// what the kernel said before is left out.
func (n NodeTexts) Facts() []NodeFact {
	var all []NodeFact
	add := func(what string, bad bool, format string, args ...any) {
		all = append(all, NodeFact{What: what, Text: bounded(fmt.Sprintf(format, args...)), Bad: bad})
	}
	if text, bad := driverFact(n.Banner); text != "" {
		add("driver", bad, "%s", text)
	}
	for _, m := range migs(n.List) {
		add("mig", false, "%s", m)
	}
	if strings.Contains(n.Banner, "nvidia-cuda-mps-server") || Variable(n.Environ, "CUDA_MPS_PIPE_DIRECTORY") != "" {
		add("mps", false, "MPS is active: processes of others may share the GPUs")
	}
	if text := rocmFact(n.ROCm, n.AMD); text != "" {
		add("rocm", false, "%s", text)
	}
	for _, x := range xids(n.Kernel, n.Since) {
		add("xid", x.bad, "%s", x.text)
	}
	if text := quotaFact(n.Quota); text != "" {
		add("quota", true, "%s", text)
	}
	if text := proxyFact(n.Environ); text != "" {
		add("internet", false, "%s", text)
	}
	return all
}

// driverFact reads the banner of nvidia-smi, or why there is none.
func driverFact(banner string) (text string, bad bool) {
	for _, sign := range []string{"Driver/library version mismatch", "couldn't communicate with the NVIDIA driver", "Unable to determine the device handle",
		"No devices were found", "Failed to initialize NVML"} {
		for line := range strings.Lines(banner) {
			if strings.Contains(line, sign) {
				return strings.TrimSpace(line), true
			}
		}
	}
	m := regexp.MustCompile(`Driver Version:\s*([0-9.]+)`).FindStringSubmatch(banner)
	if m == nil {
		return "", false
	}
	text = "NVIDIA driver " + m[1]
	if cuda := bannerCUDA(banner); cuda != "" {
		text += ", up to CUDA " + cuda
	}
	return text, false
}

func bannerCUDA(banner string) string {
	m := regexp.MustCompile(`CUDA[^:\n]{0,20}Version:\s*([0-9]+\.[0-9]+)`).FindStringSubmatch(banner)
	if m == nil {
		return ""
	}
	return m[1]
}

// migs lists the instances of MIG with the GPU that each is a part of.
func migs(list string) []string {
	gpu := regexp.MustCompile(`^GPU\s+(\d+): (.+?) \(UUID: `)
	mig := regexp.MustCompile(`^\s+MIG\s+(\S+)\s+Device\s+(\d+):`)
	var all []string
	at := ""
	for line := range strings.Lines(list) {
		if m := gpu.FindStringSubmatch(line); m != nil {
			at = "GPU " + m[1] + ", " + m[2]
		} else if m := mig.FindStringSubmatch(line); m != nil && len(all) < maxGPUs {
			all = append(all, "instance "+m[2]+" ("+m[1]+") of "+at)
		}
	}
	return all
}

// rocmFact reads the versions of ROCm and of the driver of AMD.
func rocmFact(version, smi string) string {
	var parts []string
	if v := strings.TrimSpace(version); v != "" {
		v, _, _ = strings.Cut(v, "\n")
		parts = append(parts, "ROCm "+v)
	}
	if m := regexp.MustCompile(`Driver version:\s*(\S+)`).FindStringSubmatch(smi); m != nil {
		parts = append(parts, "driver "+m[1])
	}
	return strings.Join(parts, ", ")
}

type xid struct {
	text string
	bad  bool
}

// xids reads the errors of GPUs out of lines of /dev/kmsg: level, number, microseconds since the start of the machine, flags; text.
func xids(kernel string, since time.Duration) []xid {
	form := regexp.MustCompile(`NVRM: Xid \(PCI:([0-9a-fA-F:.]+)\): (\d+),?\s*(.*)`)
	var all []xid
	seen := map[string]int{}
	for line := range strings.Lines(kernel) {
		head, text, ok := strings.Cut(line, ";")
		fields := strings.Split(head, ",")
		if !ok || len(fields) < 3 {
			continue
		}
		micro, err := strconv.ParseInt(fields[2], 10, 64)
		m := form.FindStringSubmatch(text)
		if err != nil || m == nil || time.Duration(micro)*time.Microsecond < since {
			continue
		}
		code, _ := strconv.Atoi(m[2])
		key := m[1] + " " + m[2]
		if seen[key]++; seen[key] > 1 || len(all) >= 50 {
			continue // it is said again and again
		}
		meaning, hardware := xidMeaning(code)
		x := xid{text: "GPU " + m[1] + ": Xid " + m[2], bad: true}
		if meaning != "" {
			x.text += " (" + meaning + ")"
		}
		if hardware {
			x.text += ": the machine is to blame, not the command"
		}
		if rest := strings.TrimSpace(m[3]); rest != "" {
			x.text += "; " + rest
		}
		all = append(all, x)
	}
	return all
}

// xidMeaning says what an error of a GPU means, by NVIDIA's list of them, and whether the hardware or the driver is at fault.
func xidMeaning(code int) (meaning string, hardware bool) {
	switch code {
	case 13:
		return "the program made the GPU fail: graphics engine exception", false
	case 31:
		return "the program used memory of the GPU that is not its own", false
	case 43:
		return "the program made the GPU stop", false
	case 45:
		return "the program was ended while it used the GPU", false
	case 48:
		return "memory of the GPU: double bit error", true
	case 61, 62:
		return "internal microcontroller of the GPU", true
	case 63, 64:
		return "memory of the GPU is being retired", true
	case 74:
		return "NVLink", true
	case 79:
		return "the GPU has fallen off the bus", true
	case 92, 94, 95:
		return "memory of the GPU: ECC errors", true
	case 119, 120:
		return "the GPU's own processor does not answer", true
	case 140:
		return "memory of the GPU: ECC error that could not be corrected", true
	}
	return "", false
}

// quotaFact reads the output of quota -w, whose columns are file system, blocks, quota, limit: a home that is nearly full.
func quotaFact(text string) string {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 4 || f[0] == "Filesystem" || f[0] == "Disk" {
			continue
		}
		used, err1 := strconv.ParseInt(strings.TrimSuffix(f[1], "*"), 10, 64)
		soft, err2 := strconv.ParseInt(f[2], 10, 64)
		hard, err3 := strconv.ParseInt(f[3], 10, 64)
		if err1 != nil || err2 != nil || err3 != nil {
			continue
		}
		limit := soft
		if limit == 0 || hard > 0 && hard < limit {
			limit = hard
		}
		if limit > 0 && used >= limit/100*95 {
			return fmt.Sprintf("the quota of %s is nearly used up: %d of %d MiB", f[0], used>>10, limit>>10)
		}
	}
	return ""
}

// proxyFact says by what programs of the node reach other machines. Nobody is connected to in order to find out.
func proxyFact(environ []string) string {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"} {
		if v := Variable(environ, name); v != "" {
			return name + " is " + CleanURL(v)
		}
	}
	return "no proxy is set"
}

// FrameworkFact compares the CUDA that installed packages were built for with what the driver can do. packages has a NAME==VERSION a
// line. Empty: they fit, or nothing is known.
func FrameworkFact(packages, banner string) (NodeFact, bool) {
	can, need, by := version2(bannerCUDA(banner)), [2]int{}, ""
	plain := regexp.MustCompile(`^nvidia-cuda-runtime(?:-cu\d+)?==(\d+\.\d+)`)
	suffix := regexp.MustCompile(`^(torch|jaxlib|tensorflow|cupy)==\S*\+cu(?:da)?(\d+?)(\d)\b`)
	for line := range strings.Lines(packages) {
		if m := plain.FindStringSubmatch(line); m != nil {
			need, by = version2(m[1]), "nvidia-cuda-runtime "+m[1]
		} else if m := suffix.FindStringSubmatch(line); m != nil && by == "" {
			need, by = version2(m[2]+"."+m[3]), m[1]+" for CUDA "+m[2]+"."+m[3]
		}
	}
	switch {
	case by == "" || can == [2]int{}:
		return NodeFact{}, false
	case need[0] > can[0]:
		return NodeFact{What: "driver", Bad: true, Text: fmt.Sprintf("the driver is too old: it can do CUDA %d.%d, and %s is installed", can[0], can[1], by)}, true
	case slices.Compare(need[:], can[:]) > 0:
		return NodeFact{What: "driver", Text: fmt.Sprintf("the driver is older than the packages: it can do CUDA %d.%d, and %s is installed", can[0], can[1], by)}, true
	}
	return NodeFact{}, false
}

func version2(s string) (v [2]int) {
	major, minor, _ := strings.Cut(s, ".")
	v[0], _ = strconv.Atoi(major)
	v[1], _ = strconv.Atoi(minor)
	return v
}
