package repo

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/fault"
)

// ignoreMark heads the lines of .gitignore that mlx keeps in order. All other lines are the user's and stay untouched.
const ignoreMark = "# data kept by mlx"

// IgnoreData sees to it that git ignores the data at path, relative to Root: where no rule does so yet, a line is added
// to the .gitignore beside mlx.yaml. changed says whether the file was written.
func (r *Repo) IgnoreData(path string) (changed bool, err error) {
	if r.NoGit {
		return false, nil
	}
	if ignored, err := r.gitIgnores(path); err != nil || ignored {
		return false, err
	}
	unlock, err := lockFile(filepath.Join(r.Shared, "gitignore.lock"))
	if err != nil {
		return false, fault.New(fault.KindOf(err), "cannot write .gitignore: %w", err)
	}
	defer unlock()
	file := r.Abs(".gitignore")
	text, err := readSmall(file, maxIgnore)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fault.New(fault.KindOf(err), "cannot write %s: %w", file, err)
	}
	if err := WriteFile(file, addIgnored(text, ignoreLine(path)), 0o666); err != nil {
		return false, fault.New(fault.KindOf(err), "cannot write %s: %w", file, err)
	}
	return true, nil
}

// PointerIgnored says whether git ignores the pointer file of the data at path, so that it could never be committed.
func (r *Repo) PointerIgnored(path string) (bool, error) {
	if r.NoGit {
		return false, nil
	}
	return r.gitIgnores(path + PointerExt)
}

// gitIgnores applies git's rules to a path relative to Root and to every folder above it. The user's global exclude
// file is left out: other users of the repository do not have it.
func (r *Repo) gitIgnores(rel string) (bool, error) {
	rules, err := r.excludes()
	if err != nil {
		return false, err
	}
	inside, err := ignoreFiles(r.Root, path.Dir(rel), ".gitignore")
	if err != nil {
		return false, err
	}
	rules = append(rules, inside...)
	for i, c := range rel {
		if c == '/' && rules.ignored(rel[:i], true) {
			return true, nil
		}
	}
	return rules.ignored(rel, isDir(filepath.Join(r.Root, filepath.FromSlash(rel)))), nil
}

// ignoreLine writes a path as a pattern that matches it alone. A line end cannot stand in the file; ? matches it.
func ignoreLine(path string) string {
	line := "/" + strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "\n", "?", "\r", "?").Replace(path)
	if trimmed := strings.TrimRight(line, " "); trimmed != line {
		line = trimmed + strings.Repeat(`\ `, len(line)-len(trimmed))
	}
	return line
}

// addIgnored adds line to the marked block of an ignore file, in order and without repeats, and makes the block where
// there is none. Line ends stay as the file has them.
func addIgnored(text []byte, line string) []byte {
	end := "\n"
	if bytes.Contains(text, []byte("\r\n")) {
		end = "\r\n"
	}
	var lines []string
	for l := range strings.Lines(string(text)) {
		lines = append(lines, strings.TrimRight(l, "\r\n"))
	}
	start := slices.Index(lines, ignoreMark)
	if start < 0 {
		if len(lines) > 0 && lines[len(lines)-1] != "" {
			lines = append(lines, "")
		}
		start = len(lines)
		lines = append(lines, ignoreMark)
	}
	start++
	stop := start
	for stop < len(lines) && strings.HasPrefix(lines[stop], "/") {
		stop++
	}
	block := append(slices.Clone(lines[start:stop]), line)
	slices.Sort(block)
	lines = slices.Replace(lines, start, stop, slices.Compact(block)...)
	return []byte(strings.Join(lines, end) + end)
}
