package run

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"mlx/internal/object"
)

// Bounds of reading what is installed.
const (
	maxInstalled = 50_000
	maxMetadata  = 64 << 10 // of the head of METADATA, where the name and the version are
	maxDirectURL = 64 << 10
	maxEditable  = 50
)

// installed is one package.
type installed struct {
	name     string // normalised: lower case, words joined by -
	version  string
	from     string // where it was installed from, when that is not an index: "git+https://host/repo@commit"
	editable string // folder of the source, when it is used from there
}

// line is the package as a list has it.
func (p installed) line() string {
	s := p.name + "==" + p.version
	if p.editable != "" {
		s = "-e " + s
	}
	if p.from != "" {
		s += " @ " + p.from
	}
	return s
}

// normal is the name of a package as every index compares it.
func normal(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return strings.ContainsRune("-_.", r) })
	return strings.Join(words, "-")
}

// scan lists what is installed for a Python. Where two folders have a package, the one that is looked at first counts.
func (in installation) scan(root string) []installed {
	var entries []string // paths of what describes a package
	for _, site := range in.sites {
		names, err := os.ReadDir(site)
		if err != nil {
			continue
		}
		for _, e := range names {
			if describes(e.Name()) && len(entries) < maxInstalled {
				entries = append(entries, filepath.Join(site, e.Name()))
			}
		}
	}
	owned := in.readConda()
	read := reader{root: root, conda: owned != nil}
	found := parallel(entries, read.describe)
	all := make(map[string]installed, len(found))
	for _, p := range append(owned, found...) {
		if _, before := all[p.name]; p.name != "" && !before {
			all[p.name] = p
		}
	}
	list := make([]installed, 0, len(all))
	for _, p := range all {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b installed) int { return strings.Compare(a.name, b.name) })
	return list
}

// describes says whether a name in a folder of packages is that of a description. ~ begins what a broken update left.
func describes(name string) bool {
	if strings.HasPrefix(name, "~") || strings.HasPrefix(name, ".") {
		return false
	}
	return strings.HasSuffix(name, ".dist-info") || strings.HasSuffix(name, ".egg-info") || strings.HasSuffix(name, ".egg-link")
}

// parallel calls read with every path on all processors and keeps the order.
func parallel(paths []string, read func(string) installed) []installed {
	found := make([]installed, len(paths))
	var group sync.WaitGroup
	workers := min(runtime.GOMAXPROCS(0), 8, 1+len(paths)/32)
	for w := range workers {
		group.Go(func() {
			for i := w; i < len(paths); i += workers {
				found[i] = read(paths[i])
			}
		})
	}
	group.Wait()
	return found
}

// reader reads descriptions of packages.
type reader struct {
	root  string // of the repository: its own commit is recorded with the code
	conda bool   // packages that conda installed are known already
}

func (r reader) describe(path string) installed {
	switch {
	case strings.HasSuffix(path, ".dist-info"):
		return r.distInfo(path)
	case strings.HasSuffix(path, ".egg-link"):
		return r.eggLink(path)
	}
	file := filepath.Join(path, "PKG-INFO")
	if !exists(file) {
		file = path // of distutils: a file
	}
	p, _ := metadata(file)
	return p
}

func (r reader) distInfo(dir string) installed {
	p, ok := metadata(filepath.Join(dir, "METADATA"))
	if !ok {
		return installed{} // a folder that an update left
	}
	if r.conda {
		if by, _ := readHead(filepath.Join(dir, "INSTALLER"), 64); strings.TrimSpace(string(by)) == "conda" {
			return installed{}
		}
	}
	if text, ok := readHead(filepath.Join(dir, "direct_url.json"), maxDirectURL); ok {
		r.direct(text, &p)
	}
	return p
}

// metadata reads name and version from the head of a file of core metadata.
func metadata(file string) (p installed, ok bool) {
	for _, limit := range []int64{1 << 10, maxMetadata} { // nearly always in the first kilobyte
		head, there := readHead(file, limit)
		if !there {
			return p, false
		}
		for line := range bytes.Lines(head) {
			line = bytes.TrimRight(line, "\r\n")
			if len(line) == 0 {
				break
			}
			if name, is := bytes.CutPrefix(line, []byte("Name: ")); is && p.name == "" {
				p.name = normal(text(strings.TrimSpace(string(name))))
			}
			if version, is := bytes.CutPrefix(line, []byte("Version: ")); is && p.version == "" {
				p.version = text(strings.TrimSpace(string(version)))
			}
			if p.name != "" && p.version != "" {
				return p, true
			}
		}
	}
	return p, p.name != ""
}

// direct adds where a package came from (PEP 610).
func (r reader) direct(text []byte, p *installed) {
	var d struct {
		URL string `json:"url"`
		VCS struct {
			Name   string `json:"vcs"`
			Commit string `json:"commit_id"`
		} `json:"vcs_info"`
		Dir struct {
			Editable bool `json:"editable"`
		} `json:"dir_info"`
		Subdirectory string `json:"subdirectory"`
	}
	if json.Unmarshal(text, &d) != nil || d.URL == "" {
		return
	}
	if folder, local := filePath(d.URL); local && d.Dir.Editable {
		r.edited(p, folder)
		return
	}
	p.from = oneLine(CleanURL(d.URL))
	if d.VCS.Name != "" {
		p.from = oneLine(d.VCS.Name + "+" + CleanURL(d.URL) + "@" + d.VCS.Commit)
	}
	if d.Subdirectory != "" {
		p.from += "#subdirectory=" + oneLine(d.Subdirectory)
	}
}

// edited makes p a package that is used from its source. The path is not in the list, which would then differ between
// two folders with the same code; the commit is, unless the source is part of this repository.
func (r reader) edited(p *installed, folder string) {
	p.editable = folder
	if rel, err := filepath.Rel(r.root, folder); err == nil && filepath.IsLocal(rel) {
		p.editable = filepath.ToSlash(rel)
	} else if commit := commitOf(folder); commit != "" {
		p.from = commit
	}
}

// eggLink reads what setup.py develop left.
func (r reader) eggLink(file string) installed {
	text, _ := readHead(file, 4096)
	folder, _, _ := strings.Cut(string(text), "\n")
	folder = strings.TrimSpace(folder)
	if !filepath.IsAbs(folder) {
		return installed{}
	}
	found, _ := filepath.Glob(filepath.Join(folder, "*.egg-info", "PKG-INFO"))
	if len(found) == 0 {
		return installed{}
	}
	p, _ := metadata(found[0])
	r.edited(&p, folder)
	return p
}

// oneLine keeps a text from being two lines of a list.
func oneLine(s string) string {
	return text(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == 0 {
			return ' '
		}
		return r
	}, s))
}

// listOf is the list of packages as a file, and the editable ones among them with their folders.
func listOf(all []installed) (list []byte, editable []string) {
	var lines []string
	for _, p := range all {
		lines = append(lines, oneLine(p.line()))
		if p.editable != "" && len(editable) < maxEditable {
			where := p.name + " @ " + bounded(p.editable)
			if p.from != "" {
				where += "@" + p.from
			}
			editable = append(editable, where)
		}
	}
	slices.Sort(lines)
	var b bytes.Buffer
	for _, line := range lines {
		b.WriteString(line)
		b.WriteByte('\n')
	}
	return b.Bytes(), editable
}

// describe makes what a record says of a Python from what was found.
func (p interpreter) describe(version string, all []installed) (*Python, []byte) {
	list, editable := listOf(all)
	return &Python{
		Executable: bounded(p.exe), Version: bounded(version), Manager: p.manager, Packages: len(all), Lock: object.Sum(list), Editable: editable,
	}, list
}
