package run

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/object"
)

// place is a folder that stands for a machine: files are made in it by name.
type place struct {
	t   *testing.T
	dir string
}

func newPlace(t *testing.T) place {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the layouts are those of Unix")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return place{t, dir}
}

func (p place) path(name string) string { return filepath.Join(p.dir, filepath.FromSlash(name)) }

// file makes a file, executable where text is the beginning of a program.
func (p place) file(name, text string) string {
	p.t.Helper()
	if err := os.MkdirAll(filepath.Dir(p.path(name)), 0o777); err != nil {
		p.t.Fatal(err)
	}
	perm := os.FileMode(0o644)
	if strings.HasPrefix(text, "#!") || strings.HasPrefix(text, "\x7fELF") {
		perm = 0o755
	}
	if err := os.WriteFile(p.path(name), []byte(text), perm); err != nil {
		p.t.Fatal(err)
	}
	return p.path(name)
}

// installed makes the description of an installed package.
func (p place) installed(site, name, version string, more map[string]string) {
	p.t.Helper()
	dir := site + "/" + strings.ReplaceAll(name, "-", "_") + "-" + version + ".dist-info/"
	p.file(dir+"METADATA", "Metadata-Version: 2.1\nName: "+name+"\nVersion: "+version+"\n\nVersion: of the long description\n")
	for file, text := range more {
		p.file(dir+file, text)
	}
}

// venv makes a virtual environment.
func (p place) venv(dir, version, cfg string) {
	p.t.Helper()
	p.file(dir+"/pyvenv.cfg", "home = "+p.path("usr/bin")+"\nversion = "+version+"\n"+cfg)
	p.file(dir+"/bin/python", "\x7fELF")
	p.file(dir+"/bin/python3", "\x7fELF")
}

func TestFindPython(t *testing.T) {
	p := newPlace(t)
	p.file("usr/bin/python3", "\x7fELF")
	p.file("usr/bin/python", "\x7fELF")
	for _, plain := range []string{"true", "make", "timeout", "env", "sh", "srun"} {
		p.file("usr/bin/"+plain, "\x7fELF")
	}
	for _, manager := range []string{"uv", "poetry", "pipenv", "conda"} {
		p.file("usr/bin/"+manager, "#!/bin/sh\n")
	}
	p.venv("venv", "3.13.5", "")
	p.file("venv/bin/papermill", "#!"+p.path("venv/bin/python")+"\n")
	p.file("venv/bin/long", "#!/bin/sh\n'''exec' \""+p.path("venv/bin/python3")+"\" \"$0\" \"$@\"\n' '''\n")
	p.venv("project/.venv", "3.12.1", "")
	p.file("project/sub/x", "")
	p.file("project/pyproject.toml", "")
	p.file("project/env-script", "#!/usr/bin/env python3\n")
	p.file("bare/x", "")
	p.file("listed/requirements.txt", "")
	p.file("conda/envs/torch/bin/python", "\x7fELF")
	p.file("conda/envs/torch/conda-meta/history", "")
	p.file("poetry/pyproject.toml", "")
	p.venv("cache/pypoetry/virtualenvs/thing-"+pathHash(p.path("poetry"))+"-py3.12", "3.12.9", "")
	p.file("pipenv/Pipfile", "")
	p.venv("share/virtualenvs/pipenv-"+pathHash(p.path("pipenv/Pipfile")), "3.11.9", "")
	p.file("pyenv/shims/python", "#!/usr/bin/env bash\n")
	p.file("pyenv/version", "3.11\n")
	p.file("pyenv/versions/3.11.7/bin/python", "\x7fELF")

	path := "PATH=" + p.path("usr/bin")
	tests := []struct {
		command string
		dir     string
		environ []string
		want    string // executable, and manager after a blank
	}{
		{"python train.py", "bare", nil, "usr/bin/python"},
		{"python3.9 train.py", "bare", nil, ""},
		{"true", "bare", nil, ""},
		{"true", "listed", nil, ""},
		{"make train", "listed", nil, "usr/bin/python3"},
		{"make train", "bare", nil, ""},
		{"make train", "project/sub", nil, "project/.venv/bin/python venv"},
		{"true", "bare", []string{"VIRTUAL_ENV=" + p.path("venv")}, "venv/bin/python venv"},
		{"true", "bare", []string{"CONDA_PREFIX=" + p.path("conda/envs/torch")}, "conda/envs/torch/bin/python conda"},
		{"../venv/bin/python3 train.py", "bare", nil, "venv/bin/python3 venv"},
		{"papermill a.ipynb b.ipynb", "bare", []string{"PATH=" + p.path("venv/bin")}, "venv/bin/python venv"},
		{"../venv/bin/long", "bare", nil, "venv/bin/python3 venv"},
		{"./env-script", "project", nil, "usr/bin/python3"},
		{"env A=1 timeout -s KILL 90s python x.py", "bare", nil, "usr/bin/python"},
		{"sh -c 'cd x && A=1 ../venv/bin/python -m x; true'", "bare", nil, "venv/bin/python venv"},
		{`sh -ec "echo 'python' | true"`, "bare", nil, ""},
		{"PATH=/nowhere python x.py", "bare", nil, ""},
		{"uv run python train.py", "project/sub", nil, "project/.venv/bin/python uv"},
		{"uv run train.py", "bare", nil, ""},
		{"poetry run train", "poetry", []string{"POETRY_CACHE_DIR=" + p.path("cache/pypoetry")}, "cache/pypoetry/virtualenvs/thing-" + pathHash(p.path("poetry")) + "-py3.12/bin/python poetry"},
		{"pipenv run train", "pipenv", []string{"WORKON_HOME=" + p.path("share/virtualenvs")}, "share/virtualenvs/pipenv-" + pathHash(p.path("pipenv/Pipfile")) + "/bin/python pipenv"},
		{"conda run --no-capture-output -n torch python x.py", "bare", []string{"CONDA_EXE=" + p.path("conda/bin/conda")}, "conda/envs/torch/bin/python conda"},
		{"conda run -p ../conda/envs/torch x", "bare", nil, "conda/envs/torch/bin/python conda"},
		{"python x.py", "bare", []string{"PATH=" + p.path("pyenv/shims")}, "pyenv/versions/3.11.7/bin/python"},
		{"python x.py", "bare", []string{"PATH=" + p.path("pyenv/shims"), "PYENV_VERSION=2.7"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.command+" in "+tt.dir, func(t *testing.T) {
			words := commandsIn(tt.command)
			argv := words[0]
			if strings.Contains(tt.command, " -c ") || strings.Contains(tt.command, " -ec ") { // one command whose text is a word
				argv = argvOf(t, tt.command)
			}
			root := tt.dir
			if strings.HasPrefix(tt.dir, "project") {
				root = "project"
			}
			f := &finder{dir: p.path(tt.dir), root: p.path(root), environ: append([]string{path, "HOME=" + p.path("home")}, tt.environ...)}
			got, _ := f.find(argv)
			said := strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(got.exe, p.dir), "/") + " " + got.manager)
			if said != tt.want {
				t.Errorf("%q, want %q", said, tt.want)
			}
		})
	}
}

// argvOf splits SHELL -c TEXT, where TEXT is quoted.
func argvOf(t *testing.T, command string) []string {
	t.Helper()
	words := strings.SplitN(command, " ", 3)
	if len(words) != 3 {
		t.Fatal(command)
	}
	return []string{words[0], words[1], strings.Trim(words[2], `'"`)}
}

func TestCommandsIn(t *testing.T) {
	got := commandsIn("a 'b c' \"d;e\" && f\\ g | (h)\ni;;")
	want := [][]string{{"a", "b c", "d;e"}, {"f g"}, {"h"}, {"i"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzCommandsIn(f *testing.F) {
	f.Add("cd x && A=1 python 'a b' | tee \"log\\\"\"")
	f.Fuzz(func(t *testing.T, script string) {
		for _, c := range commandsIn(script) {
			if len(c) == 0 {
				t.Fatal("a command without words")
			}
			(&finder{dir: "/nowhere", root: "/nowhere"}).find(c)
		}
	})
}

// lookAt is what Look says of a command in a place.
func (p place) lookAt(dir string, environ []string, argv ...string) Found {
	return Around{Command: argv, Dir: p.path(dir), Root: p.path(dir), Environ: environ, System: os.DirFS(p.path("system"))}.Look()
}

func TestPackages(t *testing.T) {
	p := newPlace(t)
	p.venv("repo/.venv", "3.13.5", "uv = 0.5.1\n")
	site := "repo/.venv/lib/python3.13/site-packages"
	p.installed(site, "Scikit_Learn", "1.7.2", map[string]string{"INSTALLER": "uv\n"})
	p.installed(site, "numpy", "2.1.0", nil)
	p.installed(site, "mine", "0.1.0", map[string]string{"direct_url.json": `{"url":"file://` + p.path("repo") + `","dir_info":{"editable":true}}`})
	p.installed(site, "other", "0.2.0", map[string]string{"direct_url.json": `{"url":"file://` + p.path("other/src") + `","dir_info":{"editable":true}}`})
	p.installed(site, "fromgit", "1.0", map[string]string{
		"direct_url.json": `{"url":"https://ana:secret@host.example/x.git","vcs_info":{"vcs":"git","commit_id":"0123abc","requested_revision":"main"}}`})
	p.installed(site, "wheel-of-url", "1.0", map[string]string{"direct_url.json": `{"url":"https://host.example/w.whl?token=secret","archive_info":{}}`})
	p.file(site+"/old-1.0.egg-info", "Metadata-Version: 1.1\nName: old\nVersion: 1.0\n")
	p.file(site+"/dir-2.0.egg-info/PKG-INFO", "Name: dir\nVersion: 2.0\n")
	p.file(site+"/linked.egg-link", p.path("linked")+"\n.")
	p.file("linked/linked.egg-info/PKG-INFO", "Name: linked\nVersion: 3.0\n")
	p.file(site+"/~umpy-1.0.dist-info/METADATA", "Name: numpy\nVersion: 1.0\n")
	p.file(site+"/gone-1.0.dist-info/RECORD", "")
	const commit = "4c1e9aa04c1e9aa04c1e9aa04c1e9aa04c1e9aa0"
	p.file("other/.git/HEAD", "ref: refs/heads/main\n")
	p.file("other/.git/packed-refs", "# pack-refs\n"+commit+" refs/heads/main\n")
	p.file("other/src/x.py", "")

	found := p.lookAt("repo", []string{"PATH=" + p.path("repo/.venv/bin")}, "python", "train.py")
	want := []string{
		"-e linked==3.0",
		"-e mine==0.1.0",
		"-e other==0.2.0 @ " + commit,
		"dir==2.0",
		"fromgit==1.0 @ git+https://host.example/x.git@0123abc",
		"numpy==2.1.0",
		"old==1.0",
		"scikit-learn==1.7.2",
		"wheel-of-url==1.0 @ https://host.example/w.whl",
	}
	if diff := cmp.Diff(strings.Join(want, "\n")+"\n", string(found.Packages)); diff != "" {
		t.Error(diff)
	}
	python := found.Environment.Python
	wantPython := &Python{
		Executable: p.path("repo/.venv/bin/python"), Version: "3.13.5", Manager: "uv", Packages: len(want), Lock: object.Sum(found.Packages),
		Editable: []string{"linked @ " + p.path("linked"), "mine @ .", "other @ " + p.path("other/src") + "@" + commit},
	}
	if diff := cmp.Diff(wantPython, python); diff != "" {
		t.Error(diff)
	}

	if _, changed := found.Again(); changed {
		t.Error("nothing changed")
	}
	p.installed(site, "late", "1.0", nil)
	if err := os.Chtimes(p.path(site), time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	again, changed := found.Again()
	if !changed || !strings.Contains(string(again.Packages), "late==1.0\n") || again.Environment.Python.Packages != len(want)+1 {
		t.Errorf("%v %s", changed, again.Packages)
	}
	if found.Environment.Python.Packages != len(want) {
		t.Error("what was found before changed")
	}
}

func TestPackagesOfSystemAndVenv(t *testing.T) {
	p := newPlace(t)
	p.file("usr/bin/python3.13", "\x7fELF....\x003.13.99\x00..")
	if err := os.Symlink("python3.13", p.path("usr/bin/python3")); err != nil {
		t.Fatal(err)
	}
	p.installed("usr/lib/python3/dist-packages", "both", "1.0", nil)
	p.installed("usr/lib/python3/dist-packages", "system", "1.0", nil)
	p.installed("home/.local/lib/python3.13/site-packages", "user", "1.0", nil)
	p.installed("extra", "both", "0.5", nil)
	p.venv("venv", "3.13.99", "include-system-site-packages = true\n")
	for _, link := range []string{"python", "python3"} {
		if err := os.Remove(p.path("venv/bin/" + link)); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(p.path("usr/bin/python3"), p.path("venv/bin/"+link)); err != nil {
			t.Fatal(err)
		}
	}
	p.installed("venv/lib/python3.13/site-packages", "both", "2.0", nil)
	home := "HOME=" + p.path("home")
	tests := []struct {
		name    string
		environ []string
		want    string
	}{
		{"system", []string{"PATH=" + p.path("usr/bin"), home}, "both==1.0 system==1.0 user==1.0"},
		{"system without the user's", []string{"PATH=" + p.path("usr/bin"), home, "PYTHONNOUSERSITE=1"}, "both==1.0 system==1.0"},
		{"venv that sees the system", []string{"PATH=" + p.path("venv/bin"), home}, "both==2.0 system==1.0 user==1.0"},
		{"a path before it", []string{"PATH=" + p.path("venv/bin"), home, "PYTHONPATH=" + p.path("extra")}, "both==0.5 system==1.0 user==1.0"},
	}
	for _, tt := range tests {
		found := p.lookAt("home", tt.environ, "python3")
		if got := strings.Join(strings.Fields(string(found.Packages)), " "); got != tt.want || found.Environment.Python.Version != "3.13.99" {
			t.Errorf("%s: %q of %s, want %q", tt.name, got, found.Environment.Python.Version, tt.want)
		}
	}
}

func TestPackagesOfConda(t *testing.T) {
	p := newPlace(t)
	p.file("env/bin/python", "\x7fELF")
	meta := "env/conda-meta/"
	p.file(meta+"history", "")
	p.file(meta+"python-3.11.5-h955ad1f_0.json", `{"name":"python","version":"3.11.5","build":"h955ad1f_0","channel":"https://repo.anaconda.com/pkgs/main/linux-64"}`)
	p.file(meta+"pytorch-2.1.0-py311.json", `{"name":"pytorch","version":"2.1.0","build":"py311_cuda12","channel":"https://conda.anaconda.org/pytorch/linux-64","files":["x"]}`)
	p.file(meta+"secret-1.0-0.json", `{"name":"secret","version":"1.0","build":"0","channel":"https://conda.example/t/tk-123/mine/noarch"}`)
	p.file(meta+"broken.json", `{`)
	p.installed("env/lib/python3.11/site-packages", "torch", "2.1.0", map[string]string{"INSTALLER": "conda\n"})
	p.installed("env/lib/python3.11/site-packages", "lightgbm", "4.0", map[string]string{"INSTALLER": "pip\n"})
	found := p.lookAt("env", []string{"PATH=" + p.path("env/bin"), "PYTHONNOUSERSITE=1"}, "python")
	want := "lightgbm==4.0\npython==3.11.5=h955ad1f_0 @ main\npytorch==2.1.0=py311_cuda12 @ pytorch\nsecret==1.0=0 @ https://conda.example/mine/noarch\n"
	if diff := cmp.Diff(want, string(found.Packages)); diff != "" {
		t.Error(diff)
	}
	if python := found.Environment.Python; python.Manager != "conda" || python.Version != "3.11.5" {
		t.Errorf("%+v", python)
	}
}

func TestIndexes(t *testing.T) {
	p := newPlace(t)
	p.file("requirements.txt", "--index-url https://ana:secret@pypi.example/simple\n-i https://pypi.org/simple\nnumpy\n--extra-index-url=https://two.example/simple/\n")
	p.file("pyproject.toml", "[[tool.uv.index]]\nname = \"x\"\nurl = \"https://uv.example/simple\"\n[project.urls]\nurl = \"https://home.example\"\n[[tool.poetry.source]]\nurl = 'https://poetry.example'\n")
	p.file(".config/pip/pip.conf", "[global]\nextra-index-url = https://u:p@pip.example/simple\n")
	got := indexes(indexSources{root: p.dir, home: p.dir, prefix: p.dir, environ: []string{"UV_INDEX=corp=https://t0k@corp.example/simple https://b.example"}})
	want := []string{
		"https://b.example", "https://corp.example/simple", "https://pip.example/simple", "https://poetry.example", "https://pypi.example/simple",
		"https://two.example/simple", "https://uv.example/simple",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestRealVenv holds what is read from files against what the interpreter itself says.
func TestRealVenv(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3")
	}
	dir := t.TempDir()
	if out, err := exec.Command(python, "-m", "venv", "--without-pip", filepath.Join(dir, "venv")).CombinedOutput(); err != nil {
		t.Skipf("python3 makes no environment: %v %s", err, out)
	}
	said, err := exec.Command(filepath.Join(dir, "venv", "bin", "python"), "-c", "import platform; print(platform.python_version())").Output()
	if err != nil {
		t.Fatal(err)
	}
	found := Around{Command: []string{"venv/bin/python"}, Dir: dir, Root: dir}.Look()
	if e := found.Environment.Python; e == nil || e.Version != strings.TrimSpace(string(said)) || e.Packages != 0 {
		t.Errorf("%+v; it says %s", e, said)
	}
	said, err = exec.Command(python, "-c", "import platform, importlib.metadata as m; print(platform.python_version(), len({d.metadata['Name'].lower().replace('_','-').replace('.','-') for d in m.distributions()}))").Output()
	if err != nil {
		t.Fatal(err)
	}
	found = Around{Command: []string{"python3"}, Dir: dir, Root: dir, Environ: os.Environ()}.Look()
	if e := found.Environment.Python; e == nil || e.Version+" "+fmt.Sprint(e.Packages) != strings.TrimSpace(string(said)) {
		t.Errorf("%+v; it says %s\n%s", e, said, found.Packages)
	}
}

func TestManyPackagesAreQuick(t *testing.T) {
	p := newPlace(t)
	p.venv("venv", "3.13.5", "")
	for i := range 400 {
		p.installed("venv/lib/python3.13/site-packages", fmt.Sprintf("package-%03d", i), "1.0", map[string]string{"INSTALLER": "pip", "direct_url.json": `{"url":"https://x.example/y.whl"}`})
	}
	found := p.lookAt("venv", []string{"PATH=" + p.path("venv/bin")}, "python")
	lines := strings.Fields(string(found.Packages))
	if found.Environment.Python.Packages != 400 || !slices.Contains(lines, "package-399==1.0") {
		t.Errorf("%+v", found.Environment.Python)
	}
}

func BenchmarkLook400(b *testing.B) {
	dir := b.TempDir()
	site := filepath.Join(dir, "venv/lib/python3.13/site-packages")
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	write(filepath.Join(dir, "venv/pyvenv.cfg"), "home = /usr/bin\nversion = 3.13.5\n")
	write(filepath.Join(dir, "venv/bin/python"), "\x7fELF")
	for i := range 400 {
		write(filepath.Join(site, fmt.Sprintf("package_%d-1.0.dist-info/METADATA", i)), fmt.Sprintf("Metadata-Version: 2.1\nName: package-%d\nVersion: 1.0\n\n%s", i, strings.Repeat("x", 8192)))
		write(filepath.Join(site, fmt.Sprintf("package_%d/__init__.py", i)), "")
	}
	around := Around{Command: []string{filepath.Join(dir, "venv/bin/python")}, Dir: dir, Root: dir, Environ: os.Environ()}
	for b.Loop() {
		if n := around.Look().Environment.Python.Packages; n != 400 {
			b.Fatal(n)
		}
	}
}
