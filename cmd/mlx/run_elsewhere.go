package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Bounds of what is read of a program that tracked nothing.
const (
	maxElsewhereFiles = 200
	maxElsewhereFile  = 1 << 20
)

// elsewhereCall finds what takes the place of MLFLOW_TRACKING_URI: the call, and its first argument where that is a literal.
var elsewhereCall = sync.OnceValue(func() *regexp.Regexp {
	const literal = `\s*(?:uri\s*=\s*)?(?:[rRbBuUfF]?["']([^"'\n]*)["'])?`
	return regexp.MustCompile(`\b(set_tracking_uri)\(` + literal +
		`|\b(dagshub\.init)\(` + literal +
		`|\b(MlflowClient)\(\s*(?:tracking_uri\s*=\s*)?[rRbBuUfF]?["']([^"'\n]+)["']` +
		`|\benviron(?:\.update\(\{|\.__setitem__\()?\[?\s*["'](MLFLOW_TRACKING_URI)["']\s*(?:\]\s*=|:|,)\s*(?:["']([^"'\n]*)["'])?` +
		`|\b(mlflow\.login)\(` +
		`|\b(load_dotenv)\([^)\n]*override\s*=\s*True` +
		`|^\s*export\s+(MLFLOW_TRACKING_URI)=["']?([^"'\s;]*)`)
})

// importedModule finds what a Python file imports.
var importedModule = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\s*(?:from\s+(\.*[\w.]*)\s+import\s+([\w., ]+)|import\s+([\w.]+(?:\s*,\s*[\w.]+)*))`)
})

// codeReader reads the code of a command, as far as it lies below a folder.
type codeReader struct {
	root, dir string
	seen      map[string]bool
	queue     []string
	found     []elsewhere
}

// findElsewhere looks where the code of a command sends what it tracks. root bounds what is read, dir is where the command starts.
func findElsewhere(command []string, root, dir string) []elsewhere {
	r := codeReader{root: root, dir: dir, seen: make(map[string]bool)}
	r.words(command)
	for len(r.queue) > 0 && len(r.seen) <= maxElsewhereFiles {
		file := r.queue[0]
		r.queue = r.queue[1:]
		r.file(file)
	}
	return r.found
}

// words takes the scripts and modules that a command names.
func (r *codeReader) words(command []string) {
	for i, word := range command {
		if strings.ContainsAny(word, " \n;") && i > 0 { // sh -c '…', python -c '…'
			r.text("", word)
			r.words(strings.FieldsFunc(word, func(c rune) bool { return strings.ContainsRune(" \n\t;&|()'\"", c) }))
			continue
		}
		if i > 0 && command[i-1] == "-m" {
			r.module(r.dir, word)
		}
		if slices.Contains([]string{".py", ".sh", ".ipynb"}, filepath.Ext(word)) {
			r.want(filepath.Join(r.dir, filepath.FromSlash(word)), filepath.FromSlash(word))
		}
	}
}

// want notes files to read: the first of these paths that is a file below the root.
func (r *codeReader) want(paths ...string) {
	for _, p := range paths {
		rel, err := filepath.Rel(r.root, p)
		if err != nil || !filepath.IsLocal(rel) || r.seen[p] {
			continue
		}
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() {
			r.seen[p] = true
			r.queue = append(r.queue, p)
			return
		}
	}
}

// module notes the file of a Python module that is looked for from a folder.
func (r *codeReader) module(from, name string) {
	base := filepath.Join(from, filepath.FromSlash(strings.ReplaceAll(name, ".", "/")))
	r.want(base+".py", filepath.Join(base, "__init__.py"))
	r.want(filepath.Join(base, "__main__.py"))
}

func (r *codeReader) file(file string) {
	f, err := os.Open(file)
	if err != nil {
		return
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxElsewhereFile))
	if err != nil {
		return
	}
	r.text(file, string(text))
	if filepath.Ext(file) == ".sh" {
		r.words(append([]string{"sh"}, strings.Fields(string(text))...))
	}
}

// text looks for calls in a text, and follows its imports.
func (r *codeReader) text(file, text string) {
	line := 0
	for code := range strings.Lines(text) {
		line++
		if strings.HasPrefix(strings.TrimSpace(code), "#") {
			continue
		}
		if m := elsewhereCall().FindStringSubmatch(strings.ReplaceAll(code, `\"`, `"`)); m != nil {
			e := elsewhere{File: file, Line: line}
			for _, part := range m[1:] {
				switch {
				case part == "":
				case e.Call == "":
					e.Call = part
				default:
					e.URI = part
				}
			}
			r.found = append(r.found, e)
		}
		if m := importedModule().FindStringSubmatch(code); m != nil {
			r.imports(file, m)
		}
	}
}

// imports notes the files of one line of imports: from A import B, or import A, B.
func (r *codeReader) imports(file string, m []string) {
	from := []string{r.dir}
	if file != "" && filepath.Dir(file) != r.dir {
		from = append(from, filepath.Dir(file))
	}
	split := func(s string) []string {
		return strings.FieldsFunc(s, func(c rune) bool { return c == ',' || c == ' ' })
	}
	for _, dir := range from {
		for _, name := range split(m[3]) {
			r.module(dir, name)
		}
		name := m[1]
		if up := len(name) - len(strings.TrimLeft(name, ".")); up > 0 { // relative: one dot is the folder of the file
			if file == "" {
				continue
			}
			name, dir = name[up:], filepath.Dir(file)
			for range up - 1 {
				dir = filepath.Dir(dir)
			}
		}
		if m[1] != "" {
			r.module(dir, name)
			for _, part := range split(m[2]) {
				r.module(dir, strings.TrimPrefix(name+"."+part, "."))
			}
		}
	}
}
