package repo

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"mlx/internal/fault"
)

// maxIgnore bounds an ignore file.
const maxIgnore = 1 << 20

// ignoreRule is one line of an ignore file in git's syntax. The matcher is ours because the library's reads every
// ignore file of the tree at once and differs from git in escapes, classes and trailing spaces.
type ignoreRule struct {
	above    string   // what must be put before a path first, with a trailing slash: the rule stands in a folder further up
	base     string   // folder of the file that holds the rule, slash path, "" at the top
	segments []string // pattern between slashes
	anywhere bool     // no slash in the pattern: it is about the last name of a path
	folder   bool     // ended with a slash: folders only
	keep     bool     // began with !: takes paths back in
}

// ignoreRules are rules in order; the last one that matches decides.
type ignoreRules []ignoreRule

// parseIgnore reads the lines of an ignore file that lies in the folder base.
func parseIgnore(base string, text []byte) ignoreRules {
	var rules ignoreRules
	for line := range bytes.Lines(bytes.TrimPrefix(text, []byte("\ufeff"))) {
		if r, ok := parseRule(string(line)); ok {
			r.base = base
			rules = append(rules, r)
		}
	}
	return rules
}

func parseRule(line string) (ignoreRule, bool) {
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	if strings.HasPrefix(line, "#") {
		return ignoreRule{}, false
	}
	line = trimSpaces(line)
	var r ignoreRule
	line, r.keep = strings.CutPrefix(line, "!")
	line, r.folder = strings.CutSuffix(line, "/")
	r.anywhere = !strings.Contains(line, "/")
	line = strings.TrimPrefix(line, "/")
	if line == "" {
		return ignoreRule{}, false
	}
	r.segments = strings.Split(line, "/")
	return r, true
}

// trimSpaces drops the spaces at the end of a line that no backslash protects.
func trimSpaces(line string) string {
	end := 0
	for i := 0; i < len(line); i++ {
		if line[i] == '\\' && i+1 < len(line) {
			i++
			end = i + 1
		} else if line[i] != ' ' {
			end = i + 1
		}
	}
	return line[:end]
}

// ignored says whether the rules leave rel out. Its parents are taken to be in: who walks does not enter a folder that
// is left out, so that nothing below it can be taken back in, as in git.
func (rules ignoreRules) ignored(rel string, isDir bool) bool {
	for i := len(rules) - 1; i >= 0; i-- {
		if rules[i].matches(rel, isDir) {
			return !rules[i].keep
		}
	}
	return false
}

func (r *ignoreRule) matches(rel string, isDir bool) bool {
	if r.folder && !isDir {
		return false
	}
	rel = r.above + rel
	if r.base != "" {
		var below bool
		if rel, below = strings.CutPrefix(rel, r.base+"/"); !below {
			return false
		}
	}
	if r.anywhere {
		return matchName(r.segments[0], path.Base(rel))
	}
	return matchPath(r.segments, rel)
}

// Match says whether the slash path fits the pattern: *, ? and [...] stay within a name, ** crosses folders.
func Match(pattern, slashPath string) bool {
	return matchPath(strings.Split(pattern, "/"), slashPath)
}

// matchPath matches a path name by name; it goes back only to the last **, so its work is bounded by the product of
// the lengths.
func matchPath(pattern []string, rel string) bool {
	names := strings.Split(rel, "/")
	p, n := 0, 0
	backP, backN := -1, 0
	for n < len(names) {
		switch {
		case p < len(pattern) && pattern[p] == "**":
			if p == len(pattern)-1 {
				return true // something is left, and ** at the end takes it all
			}
			backP, backN = p, n
			p++
		case p < len(pattern) && matchName(pattern[p], names[n]):
			p++
			n++
		case backP >= 0:
			backN++
			p, n = backP+1, backN
		default:
			return false
		}
	}
	return p == len(pattern)
}

// ignoreFiles reads the ignore files called name in every folder from top down to dir, both slash paths below root.
func ignoreFiles(root, dir, name string) (ignoreRules, error) {
	var rules ignoreRules
	folders := []string{""}
	if dir != "." && dir != "" {
		for i, c := range dir {
			if c == '/' {
				folders = append(folders, dir[:i])
			}
		}
		folders = append(folders, dir)
	}
	for _, folder := range folders {
		more, err := ignoreFile(filepath.Join(root, filepath.FromSlash(folder), name), folder)
		if err != nil {
			return nil, err
		}
		rules = append(rules, more...)
	}
	return rules, nil
}

// ignoreFile reads an ignore file whose rules are about folder; none where there is no such file.
func ignoreFile(file, folder string) (ignoreRules, error) {
	text, err := readSmall(file, maxIgnore)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) { // the folder may be a file itself
		return nil, nil
	}
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read %s: %w", file, err)
	}
	return parseIgnore(folder, text), nil
}

// Matcher returns what the .mlxignore files from Root down to dir, a slash path relative to Root, leave out of a
// snapshot of dir; nil when there is none. rel is relative to dir. Ignore files deeper inside are data.
func (r *Repo) Matcher(dir string) (func(rel string, isDir bool) bool, error) {
	return r.MatcherAt(dir, "")
}

// MatcherAt is Matcher of a dir whose content lies in another folder of this machine: its own .mlxignore is there. Empty: it lies in dir.
func (r *Repo) MatcherAt(dir, folder string) (func(rel string, isDir bool) bool, error) {
	rules, err := ignoreFiles(r.Root, dir, ".mlxignore")
	if err == nil && folder != "" {
		var own ignoreRules
		own, err = ignoreFile(filepath.Join(folder, ".mlxignore"), dir)
		rules = append(rules, own...)
	}
	if err != nil || len(rules) == 0 {
		return nil, err
	}
	return func(rel string, isDir bool) bool { return rules.ignored(path.Join(dir, rel), isDir) }, nil
}
