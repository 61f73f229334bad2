package run

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// maxIndexes bounds how many indexes a record names; maxIndexFile the length of a file that is asked for them.
const (
	maxIndexes   = 20
	maxIndexFile = 1 << 20
)

// indexSources is where the addresses of package indexes stand.
type indexSources struct {
	environ            []string
	root, home, prefix string
}

// indexes lists the package indexes that a project or a user has configured, without credentials, in the order of their
// addresses.
func indexes(s indexSources) []string {
	var found []string
	for _, name := range []string{"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX"} {
		for _, word := range strings.Fields(Variable(s.environ, name)) {
			_, address, named := strings.Cut(word, "=") // uv: NAME=URL
			if !named || strings.Contains(word[:strings.IndexByte(word, '=')], "://") {
				address = word
			}
			found = append(found, address)
		}
	}
	option := regexp.MustCompile(`(?m)^\s*(?:--)?(?:(?:default-|extra-)?index(?:-url)?|-i)[\s=]+["']?(https?://[^\s"']+)`)
	for _, file := range []string{
		filepath.Join(s.prefix, "pip.conf"), filepath.Join(s.home, ".config", "pip", "pip.conf"), filepath.Join(s.home, ".pip", "pip.conf"), "/etc/pip.conf",
		filepath.Join(s.root, "requirements.txt"), filepath.Join(s.root, "uv.toml"), filepath.Join(s.root, "pyproject.toml"),
	} {
		text, ok := readHead(file, maxIndexFile)
		if !ok {
			continue
		}
		for _, m := range option.FindAllSubmatch(text, -1) {
			found = append(found, string(m[1]))
		}
		if strings.HasSuffix(file, ".toml") {
			found = append(found, tableURLs(string(text))...)
		}
	}
	var clean []string
	for _, address := range found {
		address = bounded(oneLine(strings.TrimSuffix(CleanURL(address), "/")))
		if strings.Contains(address, "://") && address != "https://pypi.org/simple" {
			clean = append(clean, address)
		}
	}
	slices.Sort(clean)
	clean = slices.Compact(clean)
	return clean[:min(len(clean), maxIndexes)]
}

// tableURLs finds the addresses in the tables of TOML that describe indexes: [[tool.uv.index]], [[tool.poetry.source]].
func tableURLs(text string) []string {
	var all []string
	inside := false
	address := regexp.MustCompile(`^url\s*=\s*["'](https?://[^"']+)`)
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			name := strings.Trim(line, "[] \t")
			inside = name == "index" || strings.HasPrefix(name, "tool.") && (strings.HasSuffix(name, ".index") || strings.HasSuffix(name, ".source"))
			continue
		}
		if m := address.FindStringSubmatch(line); inside && m != nil {
			all = append(all, m[1])
		}
	}
	return all
}
