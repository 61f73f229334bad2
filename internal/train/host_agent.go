package train

import (
	"crypto/sha256"
	"debug/elf"
	"debug/macho"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"mlx/internal/fault"
)

// program is an mlx for hosts of a kind, which is what `uname -sm` says there.
type program struct {
	path   string
	kind   string
	digest string // 64 hex digits
	size   int64
}

// maxProgram bounds a program that is sent.
const maxProgram = 1 << 30

// platform is what Go calls a kind of host.
type platform struct{ os, arch string }

// platformOf reads what `uname -sm` says.
func platformOf(kind string) (platform, bool) {
	system, machine, _ := strings.Cut(kind, " ")
	oses := map[string]string{"Linux": "linux", "Darwin": "darwin", "FreeBSD": "freebsd"}
	arches := map[string]string{
		"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64", "ppc64le": "ppc64le", "riscv64": "riscv64",
		"s390x": "s390x", "loongarch64": "loong64", "i686": "386", "armv7l": "arm",
	}
	p := platform{oses[system], arches[machine]}
	return p, p.os != "" && p.arch != ""
}

// ownKind is the kind of host that this program runs on; "" where mlx does not run on hosts like this one.
func ownKind() string {
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	switch runtime.GOOS {
	case "linux":
		return "Linux " + arch
	case "darwin":
		return "Darwin " + strings.Replace(arch, "aarch64", "arm64", 1)
	}
	return ""
}

// agentFor returns the program for hosts of a kind.
func (h *Host) agentFor(kind string) (program, error) {
	p, ok := platformOf(kind)
	if !ok {
		return program{}, fault.New(fault.Usage, "mlx does not run on %s, which is %.60q", h.label(), kind)
	}
	path := h.Self
	if kind != ownKind() || h.Agents != nil {
		var err error
		if path, err = h.choose(p); err != nil {
			return program{}, err
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return program{}, fault.New(fault.KindOf(err), "cannot bring mlx to %s: %w", h.label(), err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxProgram {
		return program{}, fault.New(fault.Usage, "cannot bring mlx to %s: %s is no program", h.label(), path)
	}
	if path != h.Self {
		if err := checkHeader(path, p); err != nil {
			return program{}, fault.New(fault.Usage, "cannot bring mlx to %s: %w", h.label(), err).
				Hint("file %s   # must be mlx for %s %s", path, p.os, p.arch)
		}
	}
	digest, err := h.digestOf(path, info)
	if err != nil {
		return program{}, fault.New(fault.KindOf(err), "cannot bring mlx to %s: %w", h.label(), err)
	}
	return program{path: path, kind: kind, digest: digest, size: info.Size()}, nil
}

// choose asks for the program for a platform.
func (h *Host) choose(p platform) (string, error) {
	if h.Agents == nil {
		return "", fault.New(fault.NotFound, "there is no mlx for %s %s here, which is what %s is", p.os, p.arch, h.label())
	}
	path, err := h.Agents(p.os, p.arch)
	if err != nil || path != "" {
		return path, err
	}
	return h.Self, nil
}

// checkHeader says whether a file is a program for a platform.
func checkHeader(path string, p platform) error {
	wrong := fault.New(fault.Usage, "%s is no program for %s %s", path, p.os, p.arch)
	if p.os == "darwin" {
		cpu := map[string]macho.Cpu{"amd64": macho.CpuAmd64, "arm64": macho.CpuArm64}[p.arch]
		f, err := macho.Open(path)
		if err != nil {
			return wrong
		}
		defer func() { _ = f.Close() }() // it was only read
		if f.Type != macho.TypeExec || f.Cpu != cpu {
			return wrong
		}
		return nil
	}
	machine := map[string]elf.Machine{
		"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "ppc64le": elf.EM_PPC64, "riscv64": elf.EM_RISCV, "s390x": elf.EM_S390,
		"loong64": elf.EM_LOONGARCH, "386": elf.EM_386, "arm": elf.EM_ARM,
	}[p.arch]
	f, err := elf.Open(path)
	if err != nil {
		return wrong
	}
	defer func() { _ = f.Close() }() // it was only read
	system := f.OSABI == elf.ELFOSABI_NONE || f.OSABI == elf.ELFOSABI_LINUX
	if p.os == "freebsd" {
		system = f.OSABI == elf.ELFOSABI_FREEBSD
	}
	if !system || f.Machine != machine || f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return wrong
	}
	return nil
}

// FindAgent looks for mlx for a platform in places: a file, or a folder with files mlx-OS-ARCH. "": nowhere.
func FindAgent(places []string, system, arch string) string {
	for _, place := range places {
		if place == "" {
			continue
		}
		info, err := os.Stat(place)
		if err == nil && info.IsDir() {
			place = filepath.Join(place, "mlx-"+system+"-"+arch)
			info, err = os.Stat(place)
		}
		if err == nil && info.Mode().IsRegular() {
			return place
		}
	}
	return ""
}

// digestNote is what is remembered of a program: the digest, and by what the file is known to be the same.
type digestNote struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	Time   int64  `json:"mtime_ns"`
	Inode  uint64 `json:"inode"`
	Digest string `json:"digest"`
}

// digestOf returns the SHA-256 of a program: remembered, as long as the file looks the same.
func (h *Host) digestOf(path string, info os.FileInfo) (string, error) {
	now := digestNote{Path: path, Size: info.Size(), Time: info.ModTime().UnixNano(), Inode: inodeOf(info)}
	var was digestNote
	if json.Unmarshal(h.remembered("programs", path), &was) == nil && len(was.Digest) == sha256.Size*2 {
		now.Digest = was.Digest
		if now == was {
			return was.Digest, nil
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	now.Digest = hex.EncodeToString(sum.Sum(nil))
	if text, err := json.Marshal(now); err == nil {
		h.remember("programs", path, text)
	}
	return now.Digest, nil
}

// rememberedKind is the kind that the host last was; that of this machine when nothing is known.
func (h *Host) rememberedKind() string {
	kind := string(h.remembered("hosts", h.identity()))
	if _, ok := platformOf(kind); !ok {
		return ownKind()
	}
	return kind
}

func (h *Host) rememberKind(kind string) {
	if kind != h.rememberedKind() {
		h.remember("hosts", h.identity(), []byte(kind))
	}
}

func (h *Host) identity() string { return strings.Join(append(h.words(), h.Name), "\x00") }

const maxNote = 4 << 10

// remembered reads what is kept of something. It is only ever a hint.
func (h *Host) remembered(what, of string) []byte {
	if h.Cache == "" {
		return nil
	}
	f, err := os.Open(h.noteName(what, of))
	if err != nil {
		return nil
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxNote))
	if err != nil {
		return nil
	}
	return text
}

// remember keeps something; if it cannot, it is found out again next time.
func (h *Host) remember(what, of string, text []byte) {
	if h.Cache == "" {
		return
	}
	name := h.noteName(what, of)
	if os.MkdirAll(filepath.Dir(name), 0o700) != nil {
		return
	}
	_ = putFile(name, func(f *os.File) error {
		_, err := f.Write(text)
		return err
	})
}

func (h *Host) noteName(what, of string) string {
	sum := sha256.Sum256([]byte(of))
	return filepath.Join(h.Cache, what, hex.EncodeToString(sum[:16]))
}
