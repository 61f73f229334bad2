package source

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"mlx/internal/fault"
)

// dvcConfig is what matters of .dvc/config: where the cache is, and the remotes.
type dvcConfig struct {
	base    string // the .dvc folder in which relative paths start: of a clone from this machine, that of the original
	cache   string
	remote  string // the default one
	remotes map[string]map[string]string
}

const maxDVCConfig = 1 << 20

func readDVCConfig(dir, base string) (dvcConfig, error) {
	c := dvcConfig{base: base, cache: filepath.Join(dir, "cache"), remotes: make(map[string]map[string]string)}
	for _, name := range []string{"config", "config.local"} {
		f, err := os.Open(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return c, bare(err)
		}
		text, err := io.ReadAll(io.LimitReader(f, maxDVCConfig+1))
		f.Close()
		if err != nil {
			return c, bare(err)
		}
		if len(text) > maxDVCConfig {
			return c, fault.New(fault.Usage, ".dvc/%s has more than %d bytes", name, maxDVCConfig)
		}
		c.parse(string(text))
	}
	return c, nil
}

// parse reads sections and keys as dvc writes them. Later files win.
func (c *dvcConfig) parse(text string) {
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[' && line[len(line)-1] == ']':
			section = strings.Trim(line[1:len(line)-1], `' `)
		default:
			key, value, ok := strings.Cut(line, "=")
			if ok {
				c.set(section, strings.ToLower(strings.TrimSpace(key)), unquoteDVC(strings.TrimSpace(value)))
			}
		}
	}
}

func (c *dvcConfig) set(section, key, value string) {
	name, remote := strings.CutPrefix(section, "remote ")
	switch {
	case remote:
		name = strings.Trim(strings.TrimSpace(name), `"`)
		if c.remotes[name] == nil {
			c.remotes[name] = make(map[string]string)
		}
		c.remotes[name][key] = value
	case section == "core" && key == "remote":
		c.remote = value
	case section == "cache" && key == "dir":
		c.cache = c.path(value)
	}
}

func (c *dvcConfig) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.base, filepath.FromSlash(p))
}

func unquoteDVC(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}
