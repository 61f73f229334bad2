package run

import (
	"crypto/sha256"
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// managers are the programs that start a command in an environment that they choose. Each is given what follows run.
func (f *finder) managers() map[string]func([]string) (interpreter, bool) {
	conda := func(argv []string) (interpreter, bool) { return f.conda(argv) }
	return map[string]func([]string) (interpreter, bool){
		"uv": func([]string) (interpreter, bool) {
			return f.managed("uv", f.variable("UV_PROJECT_ENVIRONMENT"), f.upward(".venv"))
		},
		"pdm": func([]string) (interpreter, bool) {
			return f.managed("pdm", f.variable("VIRTUAL_ENV"), f.upward(".venv"))
		},
		"hatch": func([]string) (interpreter, bool) { return f.managed("hatch", f.variable("VIRTUAL_ENV")) },
		"rye":   func([]string) (interpreter, bool) { return f.managed("rye", f.upward(".venv")) },
		"pixi": func([]string) (interpreter, bool) {
			return f.managed("conda", f.upward(filepath.Join(".pixi", "envs", "default")))
		},
		"poetry": func([]string) (interpreter, bool) { return f.poetry() },
		"pipenv": func([]string) (interpreter, bool) { return f.pipenv() },
		"conda":  conda, "mamba": conda, "micromamba": conda,
	}
}

// managed is the first environment that is there.
func (f *finder) managed(manager string, prefixes ...string) (interpreter, bool) {
	f.manager = manager
	for _, prefix := range prefixes {
		if prefix != "" && !filepath.IsAbs(prefix) {
			prefix = filepath.Join(f.root, prefix)
		}
		if p, ok := f.in(prefix); ok {
			return p, true
		}
	}
	return interpreter{}, false
}

func (f *finder) home() string {
	if home := f.variable("HOME"); home != "" {
		return home
	}
	return f.variable("USERPROFILE")
}

// poetry finds the environment of a project as poetry does: active, in the project, or in its cache under a name that
// ends with a hash of the project's folder.
func (f *finder) poetry() (interpreter, bool) {
	file := f.upward("pyproject.toml")
	project := filepath.Dir(file)
	prefixes := []string{f.variable("VIRTUAL_ENV")}
	if file != "" {
		prefixes = append(prefixes, filepath.Join(project, ".venv"))
		cache := f.variable("POETRY_CACHE_DIR")
		if cache == "" {
			cache = filepath.Join(f.cache(), "pypoetry")
		}
		folder := f.variable("POETRY_VIRTUALENVS_PATH")
		if folder == "" {
			folder = filepath.Join(cache, "virtualenvs")
		}
		prefixes = append(prefixes, newest(folder, "-"+pathHash(project)+"-py")...)
	}
	return f.managed("poetry", prefixes...)
}

// cache is the folder of the user's caches.
func (f *finder) cache() string {
	if dir := f.variable("XDG_CACHE_HOME"); dir != "" {
		return dir
	}
	if mac := filepath.Join(f.home(), "Library", "Caches"); exists(mac) {
		return mac
	}
	return filepath.Join(f.home(), ".cache")
}

// pipenv does the same for pipenv, which hashes the path of the Pipfile.
func (f *finder) pipenv() (interpreter, bool) {
	file := f.upward("Pipfile")
	var prefixes []string
	if file != "" {
		prefixes = append(prefixes, filepath.Join(filepath.Dir(file), ".venv"))
		folder := f.variable("WORKON_HOME")
		if folder == "" {
			folder = filepath.Join(f.home(), ".local", "share", "virtualenvs")
		}
		prefixes = append(prefixes, newest(folder, "-"+pathHash(file))...)
	}
	return f.managed("pipenv", append(prefixes, f.variable("VIRTUAL_ENV"))...)
}

// pathHash is what poetry and pipenv put into the name of an environment.
func pathHash(path string) string {
	sum := sha256.Sum256([]byte(path))
	return base64.URLEncoding.EncodeToString(sum[:])[:8]
}

// newest lists the folders whose names hold a text, the one changed last first.
func newest(folder, part string) []string {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil
	}
	type dated struct {
		path string
		at   int64
	}
	var all []dated
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.Contains(e.Name(), part) {
			all = append(all, dated{filepath.Join(folder, e.Name()), info.ModTime().UnixNano()})
		}
	}
	slices.SortFunc(all, func(a, b dated) int { return int(min(max(b.at-a.at, -1), 1)) })
	paths := make([]string, 0, len(all))
	for _, d := range all {
		paths = append(paths, d.path)
	}
	return paths
}

// conda finds the environment that conda run names, or the active one.
func (f *finder) conda(argv []string) (interpreter, bool) {
	name, prefix := "", ""
	for i := 0; i < len(argv) && strings.HasPrefix(argv[i], "-"); i++ {
		flag, value, joined := strings.Cut(argv[i], "=")
		if takes := slices.Contains([]string{"-n", "--name", "-p", "--prefix", "--cwd"}, flag); takes && !joined && i+1 < len(argv) {
			i++
			value = argv[i]
		}
		switch flag {
		case "-n", "--name":
			name = value
		case "-p", "--prefix":
			prefix = value
		}
	}
	if prefix != "" && !filepath.IsAbs(prefix) {
		prefix = filepath.Join(f.dir, prefix)
	}
	if name == "" {
		return f.managed("conda", prefix, f.variable("CONDA_PREFIX"))
	}
	root := f.variable("MAMBA_ROOT_PREFIX")
	if exe := f.variable("CONDA_EXE"); exe != "" && root == "" {
		root = filepath.Dir(filepath.Dir(exe))
	}
	if root == "" {
		if exe := f.lookPath("conda"); exe != "" {
			root = filepath.Dir(filepath.Dir(exe))
		}
	}
	if name == "base" {
		return f.managed("conda", root)
	}
	folders := append(filepath.SplitList(f.variable("CONDA_ENVS_PATH")), filepath.Join(root, "envs"), filepath.Join(f.home(), ".conda", "envs"))
	for i := range folders {
		folders[i] = filepath.Join(folders[i], name)
	}
	return f.managed("conda", folders...)
}

// behindShim returns the program that a script of pyenv stands for, or nothing.
func (f *finder) behindShim(file string) string {
	shims := filepath.Dir(file)
	if filepath.Base(shims) != "shims" {
		return ""
	}
	root := filepath.Dir(shims)
	version := f.variable("PYENV_VERSION")
	for _, from := range []string{f.upward(".python-version"), filepath.Join(root, "version")} {
		if version == "" && from != "" {
			head, _ := readHead(from, 256)
			version = string(head)
		}
	}
	for _, v := range strings.FieldsFunc(version, func(r rune) bool { return strings.ContainsRune(" :\t\r\n", r) }) {
		for _, dir := range append([]string{filepath.Join(root, "versions", v)}, newest(filepath.Join(root, "versions"), v+".")...) {
			if exe := filepath.Join(dir, "bin", filepath.Base(file)); filepath.IsLocal(v) && executable(exe) {
				return exe
			}
		}
	}
	return ""
}
