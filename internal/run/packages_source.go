package run

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// maxCondaFile bounds a description of conda, which lists every file of a package.
const maxCondaFile = 32 << 20

// readConda lists what conda installed: of Python or not, it takes part.
func (in installation) readConda() []installed {
	if in.conda == "" {
		return nil
	}
	paths, _ := filepath.Glob(filepath.Join(in.conda, "*.json"))
	if len(paths) > maxInstalled {
		paths = paths[:maxInstalled]
	}
	return parallel(paths, condaPackage)
}

// condaPackage reads name, version, build and channel of one package of conda.
func condaPackage(file string) installed {
	text, ok := readHead(file, maxCondaFile)
	if !ok {
		return installed{}
	}
	var d struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		Build   string `json:"build"`
		Channel string `json:"channel"`
	}
	if json.Unmarshal(text, &d) != nil || d.Name == "" {
		return installed{}
	}
	p := installed{name: normal(oneLine(d.Name)), version: oneLine(d.Version)}
	if d.Build != "" {
		p.version += "=" + oneLine(d.Build)
	}
	p.from = oneLine(channel(d.Channel))
	return p
}

// channel shortens the address of a channel to its name, as conda prints it. A private one keeps its address, without
// credentials.
func channel(raw string) string {
	raw = CleanURL(raw)
	for _, public := range []string{"https://conda.anaconda.org/", "https://repo.anaconda.com/pkgs/"} {
		if rest, is := strings.CutPrefix(raw, public); is {
			name, _, _ := strings.Cut(rest, "/")
			return name
		}
	}
	// conda itself may put a token into the path: /t/TOKEN/channel
	parts := strings.Split(raw, "/")
	for i := 0; i+1 < len(parts); i++ {
		if parts[i] == "t" {
			return strings.Join(append(parts[:i:i], parts[i+2:]...), "/")
		}
	}
	return raw
}

// filePath is the path of a file URL.
func filePath(raw string) (string, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "file" || u.Path == "" {
		return "", false
	}
	path := u.Path
	if len(path) > 2 && path[0] == '/' && path[2] == ':' { // /C:/folder
		path = path[1:]
	}
	return filepath.FromSlash(path), true
}

// commitOf returns the commit that is checked out in the git repository around a folder, by reading git's files. Whether
// the work tree differs from it is not known.
func commitOf(folder string) string {
	for dir := folder; ; dir = filepath.Dir(dir) {
		git := filepath.Join(dir, ".git")
		if info, err := os.Stat(git); err == nil {
			if !info.IsDir() { // a linked worktree or a submodule
				text, _ := readHead(git, 4096)
				target, is := strings.CutPrefix(strings.TrimSpace(string(text)), "gitdir: ")
				if !is {
					return ""
				}
				if git = target; !filepath.IsAbs(git) {
					git = filepath.Join(dir, git)
				}
			}
			return headOf(git)
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// headOf follows HEAD of a git folder to a commit.
func headOf(git string) string {
	text, _ := readHead(filepath.Join(git, "HEAD"), 4096)
	head := strings.TrimSpace(string(text))
	ref, symbolic := strings.CutPrefix(head, "ref: ")
	if !symbolic {
		return hash(head)
	}
	if !filepath.IsLocal(filepath.FromSlash(ref)) {
		return ""
	}
	folders := []string{git}
	if common, ok := readHead(filepath.Join(git, "commondir"), 4096); ok {
		dir := strings.TrimSpace(string(common))
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(git, dir)
		}
		folders = append(folders, dir)
	}
	for _, dir := range folders {
		if text, ok := readHead(filepath.Join(dir, filepath.FromSlash(ref)), 256); ok {
			return hash(strings.TrimSpace(string(text)))
		}
		packed, _ := readHead(filepath.Join(dir, "packed-refs"), 4<<20)
		for line := range strings.Lines(string(packed)) {
			if commit, name, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name == ref {
				return hash(commit)
			}
		}
	}
	return ""
}

// hash returns s if it is the id of a commit.
func hash(s string) string {
	if (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == "" {
		return s
	}
	return ""
}
