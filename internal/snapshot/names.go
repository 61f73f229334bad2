package snapshot

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/text/unicode/norm"

	"mlx/internal/fault"
)

// checkNames refuses, before anything is written, names that this file system would take for one another, or cannot hold.
func (c *checkout) checkNames(rel string, list []treeEntry) error {
	var folded map[string]string
	for i := range list {
		name := list[i].Name
		if runtime.GOOS == "windows" {
			if err := windowsName(join(rel, name)); err != nil {
				return err
			}
		}
		if plain(name) && folded == nil {
			continue
		}
		if folded == nil {
			folded = make(map[string]string, len(list))
			for k := range i {
				folded[list[k].Name] = list[k].Name
			}
		}
		key := strings.ToLower(norm.NFC.String(name))
		if other, ok := folded[key]; ok {
			if folds, err := c.folds(); err != nil || folds {
				return fault.New(fault.Conflict, "%s and %s are one name on this file system", join(rel, other), join(rel, name))
			}
		}
		folded[key] = name
	}
	return nil
}

// plain says whether a name folds to itself.
func plain(name string) bool {
	for i := range len(name) {
		if b := name[i]; b >= 0x80 || 'A' <= b && b <= 'Z' {
			return false
		}
	}
	return true
}

// folds tries whether the file system takes two names that differ by case, or by normalisation, for one.
func (c *checkout) folds() (bool, error) {
	if c.foldsKnown != nil {
		return *c.foldsKnown, nil
	}
	if err := os.MkdirAll(c.top, 0o777); err != nil {
		return false, err
	}
	dir, err := os.MkdirTemp(c.top, tempPrefix)
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "a\u00e9"), nil, 0o600); err != nil {
		return false, err
	}
	yes := present(filepath.Join(dir, "A\u00e9")) || present(filepath.Join(dir, "ae\u0301"))
	c.foldsKnown = &yes
	return yes, nil
}

// windowsName refuses what Windows cannot hold: device names, reserved characters, a dot or a space at the end.
func windowsName(path string) error {
	name := path[strings.LastIndexByte(path, '/')+1:]
	stem, _, _ := strings.Cut(strings.ToUpper(name), ".")
	stem = strings.TrimRight(stem, " ")
	device := stem == "CON" || stem == "PRN" || stem == "AUX" || stem == "NUL" || stem == "CONIN$" || stem == "CONOUT$" ||
		len(stem) == 4 && (strings.HasPrefix(stem, "COM") || strings.HasPrefix(stem, "LPT")) && stem[3] >= '0' && stem[3] <= '9'
	if device || strings.ContainsAny(name, `<>:"\|?*`) || strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") {
		return fault.New(fault.Conflict, "%s cannot be a name on Windows", path)
	}
	return nil
}
