package run

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// maxInterpreter bounds how much of an interpreter's file is searched for its version.
const maxInterpreter = 64 << 20

// config reads the lines NAME = VALUE of pyvenv.cfg. Names are in lower case.
func config(file string) map[string]string {
	all := map[string]string{}
	head, _ := readHead(file, 64<<10)
	for line := range strings.Lines(string(head)) {
		if name, value, ok := strings.Cut(line, "="); ok {
			all[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
		}
	}
	return all
}

// installation is an interpreter with its version and the folders of its packages, in the order in which it looks there.
type installation struct {
	version string   // "3.13.5", or "3.13" where no file tells the rest; empty when nothing tells
	sites   []string // absolute
	conda   string   // folder with what conda installed
}

// look finds out version and folders of an interpreter.
func (f *finder) look(p interpreter) installation {
	var in installation
	if paths := f.variable("PYTHONPATH"); paths != "" {
		for _, dir := range filepath.SplitList(paths) {
			if dir != "" && !filepath.IsAbs(dir) {
				dir = filepath.Join(f.dir, dir)
			}
			if dir != "" {
				in.sites = append(in.sites, dir)
			}
		}
	}
	cfg := config(filepath.Join(p.prefix, "pyvenv.cfg"))
	if len(cfg) == 0 {
		f.base(p.exe, p.prefix, &in)
		return in
	}
	if in.version = cfg["version"]; in.version == "" {
		in.version = regexp.MustCompile(`^[0-9]+\.[0-9]+(\.[0-9]+)?((a|b|rc)[0-9]+)?`).FindString(cfg["version_info"])
	}
	in.sites = append(in.sites, sitesBelow(p.prefix, minor(in.version))...)
	home := cfg["home"]
	if home == "" || in.version != "" && !strings.EqualFold(cfg["include-system-site-packages"], "true") {
		return in
	}
	exe := filepath.Join(home, filepath.Base(p.exe))
	if real, err := filepath.EvalSymlinks(p.exe); err == nil {
		exe = real
	}
	var base installation
	f.base(exe, filepath.Dir(home), &base)
	if in.version == "" {
		in.version = base.version
	}
	if strings.EqualFold(cfg["include-system-site-packages"], "true") {
		in.sites, in.conda = append(in.sites, base.sites...), base.conda
	}
	return in
}

// base looks at an interpreter that is in no virtual environment.
func (f *finder) base(exe, prefix string, in *installation) {
	if meta := filepath.Join(prefix, "conda-meta"); exists(meta) {
		in.conda = meta
		if found, _ := filepath.Glob(filepath.Join(meta, "python-[0-9]*.json")); len(found) > 0 {
			in.version, _, _ = strings.Cut(strings.TrimPrefix(filepath.Base(found[0]), "python-"), "-")
		}
	}
	if in.version == "" {
		in.version = versionOf(exe, prefix)
	}
	short := minor(in.version)
	if f.variable("PYTHONNOUSERSITE") == "" && short != "" {
		user := f.variable("PYTHONUSERBASE")
		if user == "" {
			user = filepath.Join(f.home(), ".local")
		}
		in.sites = append(in.sites, filepath.Join(user, "lib", "python"+short, "site-packages"))
	}
	if prefix == "/usr" { // Debian and its kin
		in.sites = append(in.sites, "/usr/local/lib/python"+short+"/dist-packages")
	}
	in.sites = append(in.sites, sitesBelow(prefix, short)...)
	in.sites = append(in.sites, filepath.Join(prefix, "lib", "python3", "dist-packages"))
}

// sitesBelow lists the folders below a prefix that hold packages.
func sitesBelow(prefix, short string) []string {
	if runtime.GOOS == "windows" {
		return []string{filepath.Join(prefix, "Lib", "site-packages")}
	}
	if short == "" {
		found, _ := filepath.Glob(filepath.Join(prefix, "lib", "python3.*", "site-packages"))
		return found
	}
	sites := []string{filepath.Join(prefix, "lib", "python"+short, "site-packages")}
	if pypy := filepath.Join(prefix, "lib", "pypy"+short, "site-packages"); exists(pypy) {
		sites = append(sites, pypy)
	}
	lib64 := filepath.Join(prefix, "lib64", "python"+short, "site-packages")
	if real, err := filepath.EvalSymlinks(lib64); err == nil && real == lib64 {
		sites = append(sites, lib64)
	}
	return sites
}

// minor is the first two numbers of a version.
func minor(version string) string {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return ""
	}
	return parts[0] + "." + parts[1]
}

// versionOf finds the version of an interpreter outside an environment: in the names of its folders, or in its own bytes.
func versionOf(exe, prefix string) string {
	for _, dir := range []string{exe, prefix} { // pyenv: versions/3.11.7, uv: cpython-3.12.4-linux
		for _, part := range slices.Backward(strings.Split(filepath.ToSlash(dir), "/")) {
			if m := regexp.MustCompile(`^(?:c?python-)?([0-9]+\.[0-9]+\.[0-9]+)(?:[-+].*)?$`).FindStringSubmatch(part); m != nil {
				return m[1]
			}
		}
	}
	real, err := filepath.EvalSymlinks(exe)
	if err != nil {
		real = exe
	}
	short := regexp.MustCompile(`[0-9]+\.[0-9]+`).FindString(filepath.Base(real))
	if short == "" {
		found, _ := filepath.Glob(filepath.Join(prefix, "lib", "python3.*"))
		if len(found) != 1 {
			return ""
		}
		short = strings.TrimPrefix(filepath.Base(found[0]), "python")
	}
	files := []string{real}
	if shared, _ := filepath.Glob(filepath.Join(prefix, "lib", "libpython"+short+"*.so*")); len(shared) > 0 {
		files = append(files, shared[0])
	}
	if shared, _ := filepath.Glob(filepath.Join(prefix, "lib", "*-linux-gnu*", "libpython"+short+"*.so*")); len(shared) > 0 {
		files = append(files, shared[0])
	}
	for _, file := range files {
		if full := versionIn(file, short); full != "" {
			return full
		}
	}
	return short
}

// versionIn searches a program for its own version: a text between two zero bytes.
func versionIn(file, short string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	begin := []byte("\x00" + short + ".")
	block, kept := make([]byte, 1<<20), 0
	for read := 0; read < maxInterpreter; {
		n, err := f.Read(block[kept:])
		text := block[:kept+n]
		for at := 0; ; {
			i := bytes.Index(text[at:], begin)
			if i < 0 {
				break
			}
			at += i + 1
			word, _, ended := bytes.Cut(text[at:min(len(text), at+16)], []byte{0})
			if ended && regexp.MustCompile(`^[0-9.]+[0-9]((a|b|rc)[0-9]+)?\+?$`).Match(word) {
				return strings.TrimSuffix(string(word), "+")
			}
		}
		if err != nil || n == 0 {
			return ""
		}
		read += n
		kept = copy(block, text[max(0, len(text)-32):]) // the version may lie across two blocks
	}
	return ""
}
