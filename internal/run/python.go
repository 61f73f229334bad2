package run

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// interpreter is a Python on disk. No process tells of it: starting one takes longer than all the rest of a run's
// beginning.
type interpreter struct {
	exe     string // as the command finds it, before links are followed
	prefix  string // folder of its environment: that holds bin/ and lib/
	manager string // venv, conda, uv, poetry, ...; empty for the system's own
}

// finder looks for the Python that a command will use.
type finder struct {
	dir, root string // working folder and repository root, absolute
	environ   []string
	manager   string // of the program that starts it: uv run, poetry run
	depth     int    // commands inside commands
}

// maxDepthOfCommands bounds how often a command may start another one that is looked into.
const maxDepthOfCommands = 4

func (f *finder) variable(name string) string { return Variable(f.environ, name) }

// find returns the Python of a command, and false when nothing suggests that it uses one.
func (f *finder) find(argv []string) (interpreter, bool) {
	argv = f.unwrapped(argv)
	if len(argv) == 0 || f.depth > maxDepthOfCommands {
		return interpreter{}, false
	}
	name := programName(argv[0])
	if finds, known := f.managers()[name]; known && len(argv) > 1 && argv[1] == "run" {
		return finds(argv[2:])
	}
	if script := shellScript(name, argv); script != "" {
		f.depth++
		for _, command := range commandsIn(script) {
			if p, ok := f.find(command); ok {
				return p, true
			}
		}
		return f.around(false)
	}
	file := f.lookPath(argv[0])
	if file == "" {
		return f.around(false)
	}
	if real := f.behindShim(file); real != "" {
		file = real
	}
	if isPython(name) {
		return f.at(file)
	}
	if p, ok := f.ofScript(file); ok {
		return p, true
	}
	return f.around(startsOthers(name))
}

// at describes an interpreter that was found. Outside an environment, one that is a script is none: it belongs to a
// version manager that nobody here knows.
func (f *finder) at(exe string) (interpreter, bool) {
	p := interpreter{exe: exe, manager: f.manager, prefix: filepath.Dir(filepath.Dir(exe))}
	if runtime.GOOS == "windows" && !strings.EqualFold(filepath.Base(filepath.Dir(exe)), "Scripts") {
		p.prefix = filepath.Dir(exe)
	}
	switch {
	case exists(filepath.Join(p.prefix, "pyvenv.cfg")):
		if p.manager == "" {
			p.manager = "venv"
			if config(filepath.Join(p.prefix, "pyvenv.cfg"))["uv"] != "" {
				p.manager = "uv"
			}
		}
	case exists(filepath.Join(p.prefix, "conda-meta")):
		p.manager = "conda"
	default:
		if head, ok := readHead(exe, 2); ok && string(head) == "#!" {
			return interpreter{}, false
		}
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			p.prefix = filepath.Dir(filepath.Dir(real))
			if exists(filepath.Join(p.prefix, "conda-meta")) {
				p.manager = "conda"
			}
		}
	}
	return p, true
}

// in describes the interpreter of an environment's folder.
func (f *finder) in(prefix string) (interpreter, bool) {
	if prefix == "" {
		return interpreter{}, false
	}
	for _, name := range []string{"bin/python", "bin/python3", "Scripts/python.exe", "python.exe"} {
		if exe := filepath.Join(prefix, filepath.FromSlash(name)); exists(exe) {
			return f.at(exe)
		}
	}
	return interpreter{}, false
}

// around finds the Python that surrounds a command of which nothing is known: an active or the project's own environment.
// starts says that the command is one that commonly starts others; that and a project of Python suggest the first on the
// PATH.
func (f *finder) around(starts bool) (interpreter, bool) {
	for _, prefix := range []string{f.variable("VIRTUAL_ENV"), f.variable("CONDA_PREFIX"), f.upward(".venv")} {
		if p, ok := f.in(prefix); ok {
			return p, true
		}
	}
	if !starts || !f.isProject() {
		return interpreter{}, false
	}
	return f.first()
}

// first is the first Python on the PATH.
func (f *finder) first() (interpreter, bool) {
	for _, name := range []string{"python3", "python"} {
		if file := f.lookPath(name); file != "" {
			if real := f.behindShim(file); real != "" {
				file = real
			}
			return f.at(file)
		}
	}
	return interpreter{}, false
}

// isProject says whether the folder or the repository looks like a project of Python.
func (f *finder) isProject() bool {
	for _, dir := range []string{f.dir, f.root} {
		for _, name := range []string{"pyproject.toml", "requirements.txt", "setup.py", "setup.cfg", "Pipfile", "environment.yml", "uv.lock"} {
			if exists(filepath.Join(dir, name)) {
				return true
			}
		}
	}
	return false
}

// upward finds a name in the working folder or one above it, as far as the repository goes.
func (f *finder) upward(name string) string {
	for dir := f.dir; ; dir = filepath.Dir(dir) {
		if file := filepath.Join(dir, name); exists(file) {
			return file
		}
		if dir == f.root || dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// lookPath finds a program as the command's own PATH has it.
func (f *finder) lookPath(name string) string {
	if strings.ContainsRune(name, filepath.Separator) || strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(f.dir, name)
		}
		if executable(name) {
			return name
		}
		return ""
	}
	for _, dir := range filepath.SplitList(f.variable("PATH")) {
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(f.dir, dir)
		}
		for _, ext := range programExts() {
			if file := filepath.Join(dir, name+ext); executable(file) {
				return file
			}
		}
	}
	return ""
}

func programExts() []string {
	if runtime.GOOS == "windows" {
		return []string{".exe", ".bat", ".cmd", ""}
	}
	return []string{""}
}

func executable(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular() && (runtime.GOOS == "windows" || info.Mode()&0o111 != 0)
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// programName is the name of a program without folder and extension.
func programName(word string) string {
	return strings.TrimSuffix(strings.ToLower(filepath.Base(filepath.FromSlash(word))), ".exe")
}

// isPython says whether a program of this name is an interpreter: python, python3.13, pypy3.
func isPython(name string) bool {
	rest, ok := strings.CutPrefix(name, "python")
	if !ok {
		rest, ok = strings.CutPrefix(name, "pypy")
	}
	return ok && strings.Trim(rest, "0123456789.t") == ""
}

// startsOthers says whether a program is one that people start their training with.
func startsOthers(name string) bool {
	return slices.Contains([]string{"make", "gmake", "just", "task", "ninja", "snakemake", "nextflow", "bash", "sh", "zsh", "dash", "srun", "mpirun",
		"mpiexec", "nox", "tox", "xargs", "parallel", "invoke", "doit"}, name)
}

// ofScript reads in the first line of a script which Python executes it.
func (f *finder) ofScript(file string) (interpreter, bool) {
	head, ok := readHead(file, 1024)
	if !ok || !strings.HasPrefix(string(head), "#!") {
		return interpreter{}, false
	}
	first, rest, _ := strings.Cut(string(head[2:]), "\n")
	words := strings.Fields(first)
	if len(words) == 0 {
		return interpreter{}, false
	}
	if name := programName(words[0]); name == "sh" { // how pip writes a path that is too long for a first line
		if m := regexp.MustCompile(`^'''exec' "?([^"\n]+?)"? "\$0"`).FindStringSubmatch(rest); m != nil {
			words = []string{m[1]}
		}
	}
	if programName(words[0]) == "env" {
		words = slices.DeleteFunc(words[1:], func(w string) bool { return strings.HasPrefix(w, "-") })
		if len(words) == 0 || !isPython(programName(words[0])) {
			return interpreter{}, false
		}
		exe := f.lookPath(words[0])
		if real := f.behindShim(exe); real != "" {
			exe = real
		}
		if exe == "" {
			return interpreter{}, false
		}
		return f.at(exe)
	}
	if !isPython(programName(words[0])) || !executable(words[0]) {
		return interpreter{}, false
	}
	return f.at(words[0])
}
