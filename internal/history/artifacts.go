package history

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/fault"
)

// places are the folders that artifacts are looked for in: that of the store, and those that the user names. What a database says
// about other folders of this machine is not followed: it may come from anybody.
type places struct {
	base  string   // what relative locations are relative to
	roots []string // real paths
}

func newPlaces(base string, o Options) (places, error) {
	p := places{base: base}
	roots := []string{base}
	for _, folder := range o.Artifacts {
		roots = append(roots, from(o.Dir, folder))
	}
	for _, root := range roots {
		real, err := filepath.EvalSymlinks(root)
		if err == nil {
			real, err = filepath.Abs(real)
		}
		if err == nil {
			var info fs.FileInfo
			if info, err = os.Stat(real); err == nil && !info.IsDir() {
				err = errors.New("it is no folder")
			}
		}
		if err != nil {
			return p, fault.New(fault.KindOf(err), "cannot look for artifacts in %s: %w", root, err)
		}
		p.roots = append(p.roots, real)
	}
	return p, nil
}

// Why artifacts are not brought. Each is one line of the report.
const (
	notHere   = "the folder is not here; --artifacts FOLDER says where it is now"
	outside   = "the folder is outside of the store; --artifacts FOLDER allows it"
	noAddress = "what the store says is no location"
)

// find returns where the files of a location lie on this machine. An empty path without a reason: nothing was logged there.
func (p places) find(location string) (dir, why string) {
	if location == "" {
		return "", ""
	}
	local, scheme := localPath(location)
	switch {
	case scheme != "" && scheme != "mlflow-artifacts":
		return "", "the files are at " + scheme + "://"
	case local == "" || strings.ContainsRune(local, 0):
		return "", noAddress
	}
	given := filepath.FromSlash(local)
	if scheme == "" && !filepath.IsAbs(given) {
		given = filepath.Join(p.base, given)
	}
	beyond := false
	if scheme == "" {
		switch real, err := filepath.EvalSymlinks(given); {
		case err != nil:
		case p.holds(real):
			return real, ""
		default:
			beyond = true
		}
	}
	if moved := p.moved(local); moved != "" {
		return moved, ""
	}
	if beyond {
		return "", outside
	}
	return "", notHere
}

// none reports whether a folder of artifacts that is not here never was: MLflow makes it with the first file, and the folder of the
// experiment, or that of all experiments, is here.
func (p places) none(location, why string) bool {
	if why != notHere {
		return false
	}
	local, scheme := localPath(location)
	experiment := path.Dir(path.Dir(local))
	if dir, _ := p.find(experiment); dir != "" {
		return true
	}
	given := filepath.FromSlash(path.Dir(experiment))
	if scheme != "" || !filepath.IsAbs(given) {
		given = filepath.Join(p.base, given)
	}
	real, err := filepath.EvalSymlinks(given)
	return err == nil && p.holds(real)
}

// localPath is the path of a location, with slashes. scheme is that of a location that is no path.
func localPath(location string) (local, scheme string) {
	before, after, ok := strings.Cut(location, ":")
	if !ok || len(before) == 1 || strings.ContainsAny(before, `/\`) { // C:\ is a path
		return path.Clean(strings.ReplaceAll(location, `\`, "/")), ""
	}
	scheme = strings.ToLower(before)
	rest := strings.TrimPrefix(after, "//")
	if rest != after { // the host
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			rest = rest[i:]
		} else {
			rest = ""
		}
	}
	if plain, err := url.PathUnescape(rest); err == nil {
		rest = plain
	}
	if scheme == "file" {
		return path.Clean(rest), ""
	}
	return path.Clean(rest), scheme
}

// moved looks for the last parts of a path below the roots: stores are moved, and then say where they were.
func (p places) moved(local string) string {
	parts := slices.DeleteFunc(strings.Split(local, "/"), func(s string) bool { return s == "" || s == "." || s == ".." })
	const least, most = 2, 12 // below an experiment there is at least a run
	for from := max(0, len(parts)-most); from+least <= len(parts); from++ {
		tail := filepath.Join(parts[from:]...)
		for _, root := range p.roots {
			for _, folder := range []string{"", "mlruns", "mlartifacts"} {
				real, err := filepath.EvalSymlinks(filepath.Join(root, folder, tail))
				if err == nil && p.holds(real) {
					return real
				}
			}
		}
	}
	return ""
}

// holds reports whether a real path is inside one of the roots, and not a root itself.
func (p places) holds(real string) bool {
	return slices.ContainsFunc(p.roots, func(root string) bool {
		rel, err := filepath.Rel(root, real)
		return err == nil && rel != "." && filepath.IsLocal(rel)
	})
}
