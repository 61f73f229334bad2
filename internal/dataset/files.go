package dataset

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"mlx/internal/fault"
)

// maxFiles bounds the files of one table.
const maxFiles = 1 << 20

// maxFolders bounds how deep the files of a table may lie.
const maxFolders = 100

// Ignore says of a path below a folder that it is left out; nil leaves nothing out.
type Ignore func(rel string, isDir bool) bool

// Tree lists the files of the table that a folder is, as Walk does. Where some names say that they are tables, the others are left
// out: a README is no part of a table.
func Tree(fsys fs.FS, dir string, ignore Ignore) ([]string, error) {
	found, err := Walk(fsys, dir, ignore)
	return OnlyTables(found), err
}

// OnlyTables drops the names that say no format, where some do.
func OnlyTables(names []string) []string {
	if !slices.ContainsFunc(names, NamesTable) {
		return names
	}
	return slices.DeleteFunc(names, func(name string) bool { return !NamesTable(name) })
}

// Walk lists the files below a folder at any depth, with slashes and in natural order. Names that begin with a dot or _ are left out,
// as writers of tables do with what is no data.
func Walk(fsys fs.FS, dir string, ignore Ignore) ([]string, error) {
	w := treeWalk{fsys: fsys, dir: dir, ignore: ignore}
	if err := w.folder(dir, 0); err != nil {
		return nil, err
	}
	slices.SortFunc(w.found, Natural)
	return w.found, nil
}

type treeWalk struct {
	fsys   fs.FS
	dir    string
	ignore Ignore
	found  []string
}

func (w *treeWalk) folder(dir string, depth int) error {
	if depth > maxFolders {
		return fault.New(fault.Usage, "cannot read a table in %s: its folders are more than %d deep", w.dir, maxFolders)
	}
	list, err := fs.ReadDir(w.fsys, dir)
	if err != nil {
		return err
	}
	for _, d := range list {
		name := path.Join(dir, d.Name())
		if !Counts(d.Name()) || w.left(name, d.IsDir()) {
			continue
		}
		switch {
		case d.IsDir():
			if err := w.folder(name, depth+1); err != nil {
				return err
			}
		case d.Type().IsRegular() || isLinkToFile(w.fsys, name, d):
			w.found = append(w.found, name)
		}
		if len(w.found) > maxFiles {
			return fault.New(fault.Usage, "cannot read a table in %s: it has more than %d files", w.dir, maxFiles)
		}
	}
	return nil
}

// left says whether a path is left out by rules that count from the folder of the table.
func (w *treeWalk) left(name string, isDir bool) bool {
	rel := name
	if w.dir != "." {
		rel = strings.TrimPrefix(name, w.dir+"/")
	}
	return w.ignore != nil && w.ignore(rel, isDir)
}

// isLinkToFile follows a symbolic link. One to a folder is not entered, so that a walk ends.
func isLinkToFile(fsys fs.FS, name string, d fs.DirEntry) bool {
	if d.Type()&fs.ModeSymlink == 0 {
		return false
	}
	info, err := fs.Stat(fsys, name)
	return err == nil && info.Mode().IsRegular()
}

// formatOf is the format that a name says, compressed or not; empty if it says none.
func formatOf(name string) string {
	ext := strings.ToLower(path.Ext(name))
	if ext == ".gz" || ext == ".zst" || ext == ".zstd" {
		name = name[:len(name)-len(ext)]
		ext = strings.ToLower(path.Ext(name))
	}
	switch ext {
	case ".csv":
		return "csv"
	case ".tsv", ".tab":
		return "tsv"
	case ".jsonl", ".ndjson":
		return "jsonl"
	case ".parquet", ".pq", ".parq":
		return "parquet"
	}
	return ""
}

// Natural orders names as people count: part-2 before part-10. Names that are equal but for zeros before numbers are in the order of
// their bytes.
func Natural(a, b string) int {
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		if !isDigit(a[i]) || !isDigit(b[j]) {
			if a[i] != b[j] {
				return int(a[i]) - int(b[j])
			}
			i, j = i+1, j+1
			continue
		}
		m, n := digits(a, i), digits(b, j)
		x, y := strings.TrimLeft(a[i:m], "0"), strings.TrimLeft(b[j:n], "0")
		if len(x) != len(y) {
			return len(x) - len(y)
		}
		if c := strings.Compare(x, y); c != 0 {
			return c
		}
		i, j = m, n
	}
	if c := (len(a) - i) - (len(b) - j); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func digits(s string, from int) int {
	for from < len(s) && isDigit(s[from]) {
		from++
	}
	return from
}

// Counts says whether a file may be part of the table of a folder: no part of its path begins with a dot or _, but for partitions.
func Counts(rel string) bool {
	for name := range strings.SplitSeq(rel, "/") {
		if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") && !isPartition(name) {
			return false
		}
	}
	return true
}

// isPartition says whether a folder is KEY=VALUE.
func isPartition(name string) bool {
	key, _, ok := strings.Cut(name, "=")
	return ok && key != ""
}
