package repo

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// Bounds of the untracked files that a run keeps: code is small, and what is large belongs under -d or into a snapshot.
const (
	maxKeptFile  = 100_000_000
	maxKeptFiles = 10_000
	maxKeptAll   = 1_000_000_000
)

// LeftOut is an untracked file or folder that is not kept.
type LeftOut struct {
	Path   string // relative to Root, with slashes
	Why    string
	Bytes  int64 // of a file
	Plain  bool  // nobody expects it to be kept: a program makes it again, or it is kept elsewhere
	folder bool
}

// Sort divides untracked files into those that a run keeps, in the order of their paths, and what it leaves out. Of a
// folder that is left out as a whole only the folder is named.
func (r *Repo) Sort(untracked []string) (keep []string, out []LeftOut) {
	s := sorter{r: r, folders: r.madeFolders(untracked), data: map[string]bool{}}
	var files []keptFile
	for _, file := range untracked {
		if why, is := s.leftOut(file); is {
			if !why.folder || !slices.ContainsFunc(out, func(l LeftOut) bool { return l.Path == why.Path }) {
				out = append(out, why)
			}
			continue
		}
		info, err := os.Lstat(r.Abs(file))
		if err != nil {
			continue // it is gone again
		}
		if why := unkept(r.Abs(file), info); why != "" {
			out = append(out, LeftOut{Path: file, Why: why, Bytes: info.Size()})
			continue
		}
		files = append(files, keptFile{file, info.Size()})
	}
	kept, more := withinBounds(files)
	out = append(out, more...)
	for _, f := range kept {
		keep = append(keep, f.path)
	}
	slices.Sort(keep)
	slices.SortFunc(out, func(a, b LeftOut) int { return strings.Compare(a.Path, b.Path) })
	return keep, out
}

type keptFile struct {
	path  string
	bytes int64
}

// withinBounds keeps the smallest files while there is room: scripts before data.
func withinBounds(files []keptFile) (kept []keptFile, out []LeftOut) {
	slices.SortStableFunc(files, func(a, b keptFile) int { return int(a.bytes - b.bytes) })
	var sum int64
	for _, f := range files {
		switch {
		case len(kept) >= maxKeptFiles:
			out = append(out, LeftOut{Path: f.path, Why: "more than 10,000 files", Bytes: f.bytes})
		case sum+f.bytes > maxKeptAll:
			out = append(out, LeftOut{Path: f.path, Why: "more than 1 GB in all", Bytes: f.bytes})
		default:
			sum += f.bytes
			kept = append(kept, f)
		}
	}
	return kept, out
}

// unkept says why a file cannot or should not be kept, or nothing.
func unkept(abs string, info fs.FileInfo) string {
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return ""
	case !info.Mode().IsRegular():
		return "no file or folder"
	case info.Size() > maxKeptFile:
		return "more than 100 MB"
	}
	f, err := os.Open(abs)
	if err != nil {
		return "cannot be read"
	}
	f.Close()
	return ""
}

// sorter judges files by their paths.
type sorter struct {
	r       *Repo
	folders map[string]string // folders that a program makes, and what they are
	data    map[string]bool   // whether a path is tracked by mlx
}

// leftOut judges a file by its path and those of the folders above it, from the top.
func (s *sorter) leftOut(file string) (LeftOut, bool) {
	if own, is := strings.CutSuffix(file, "/"); is {
		return LeftOut{Path: own, Why: "a repository of its own", folder: true}, true
	}
	for i := range len(file) {
		if file[i] != '/' {
			continue
		}
		folder := file[:i]
		if why, made := s.folders[folder]; made {
			return LeftOut{Path: folder, Why: why, Plain: true, folder: true}, true
		}
		switch path.Base(folder) {
		case "node_modules":
			return LeftOut{Path: folder, Why: "packages", Plain: true, folder: true}, true
		case "__pycache__", ".ipynb_checkpoints", ".pytest_cache", ".mypy_cache", ".ruff_cache":
			return LeftOut{Path: folder, Why: "cache", Plain: true, folder: true}, true
		}
		if s.tracked(folder) {
			return LeftOut{Path: folder, Why: "tracked data", Plain: true, folder: true}, true
		}
	}
	switch {
	case s.tracked(file):
		return LeftOut{Path: file, Why: "tracked data", Plain: true}, true
	case MayHoldSecrets(file):
		out := LeftOut{Path: file, Why: "may hold secrets"}
		if info, err := os.Lstat(s.r.Abs(file)); err == nil {
			out.Bytes = info.Size()
		}
		return out, true
	}
	return LeftOut{}, false
}

// tracked says whether there is a pointer file for a path.
func (s *sorter) tracked(rel string) bool {
	is, known := s.data[rel]
	if !known {
		is = isFile(s.r.Abs(rel + PointerExt))
		s.data[rel] = is
	}
	return is
}

// madeFolders finds the environments of Python among the folders of files.
func (r *Repo) madeFolders(files []string) map[string]string {
	all := map[string]string{}
	for _, file := range files {
		dir, name := path.Split(file)
		dir = strings.TrimSuffix(dir, "/")
		switch {
		case dir == "":
		case name == "pyvenv.cfg":
			all[dir] = "virtual environment"
		case name == "history" && path.Base(dir) == "conda-meta" && strings.Contains(dir, "/"):
			all[path.Dir(dir)] = "conda environment"
		}
	}
	return all
}

// SizeBelow says whether files have fewer than limit bytes together.
func (r *Repo) SizeBelow(files []string, limit int64) bool {
	for _, file := range files {
		if info, err := os.Lstat(r.Abs(file)); err == nil {
			limit -= info.Size()
		}
		if limit <= 0 {
			return false
		}
	}
	return true
}
