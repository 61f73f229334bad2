package source

import (
	"encoding/json"
	"path"
	"path/filepath"
	"strings"

	"mlx/internal/fault"
)

// outsOf reads a list of outputs. What cannot be brought keeps its place in the list, with the reason.
func outsOf(list any, base string) []dvcOut {
	entries, _ := list.([]any)
	var outs []dvcOut
	for _, entry := range entries {
		m, _ := entry.(map[string]any)
		name, ok := m["path"].(string)
		if !ok || name == "" {
			continue
		}
		outs = append(outs, outOf(m, name, base))
	}
	return outs
}

func outOf(m map[string]any, name, base string) dvcOut {
	o := dvcOut{path: path.Join(base, filepath.ToSlash(name))}
	o.remote, _ = m["remote"].(string)
	kind, named := m["hash"].(string)
	o.legacy = !named
	sum, _ := m["md5"].(string)
	sum, o.folder = strings.CutSuffix(sum, ".dir")
	o.md5 = sum
	switch {
	case strings.Contains(name, "://") || path.IsAbs(filepath.ToSlash(name)) || !filepath.IsLocal(filepath.FromSlash(o.path)):
		o.path = path.Base("/" + filepath.ToSlash(name))
		o.trouble = fault.New(fault.Usage, "it lies outside the repository of dvc")
	case sum == "" && m["files"] != nil:
		o.trouble = fault.New(fault.Usage, "its versions are kept by the cloud itself").Hint("dvc update --to-remote   # or import it from its bucket")
	case sum == "":
		o.trouble = fault.New(fault.NotFound, "dvc has recorded no content of it").Hint("dvc commit   # in its repository")
	case named && kind != "md5" || !isMD5(sum):
		o.trouble = fault.New(fault.Usage, "its sum is no MD5")
	}
	return o
}

func isMD5(s string) bool {
	if len(s) != 32 {
		return false
	}
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// listed is a file in the list of a folder.
type listed struct {
	MD5  string `json:"md5"`
	Path string `json:"relpath"`
}

// maxList bounds the list of a folder before it is parsed.
const maxList = 512 << 20

// parseList reads the list of a folder: a JSON array of sums and paths, all inside the folder and none twice.
func parseList(text []byte) ([]listed, error) {
	var all []listed
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fault.New(fault.Integrity, "the list of the folder is no JSON of dvc: %w", err)
	}
	if len(all) > maxItems {
		return nil, fault.New(fault.Usage, "more than %d files", maxItems)
	}
	seen := make(map[string]bool, len(all))
	for _, e := range all {
		if !isMD5(e.MD5) {
			return nil, fault.New(fault.Integrity, "the list of the folder has the sum %.40q, which is no MD5", e.MD5)
		}
		if err := goodName(e.Path); err != nil {
			return nil, fault.New(fault.Integrity, "the list of the folder is refused: %w", err)
		}
		if seen[e.Path] {
			return nil, fault.New(fault.Integrity, "the list of the folder names %s twice", e.Path)
		}
		seen[e.Path] = true
	}
	return all, nil
}
