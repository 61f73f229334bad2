package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"mlx/internal/cli"
	"mlx/internal/run"
	"mlx/internal/snapshot"
)

// causes looks for what may explain a difference. It only reads, and what it cannot read explains nothing.
func (j *rerunJob) causes(ctx context.Context, t *rerunTree, c run.Comparison, repeats []run.View) []run.Cause {
	e := run.Evidence{Original: j.original, Repeats: repeats, Compared: c, Packages: j.packages(ctx, t, repeats[0])}
	e.Original.LeftOut = slices.DeleteFunc(slices.Clone(e.Original.LeftOut), usual)
	if c.Result == run.Identical || c.Result == run.Unknown {
		return nil
	}
	code := j.readCode(t)
	e.SeedInCode = code.seeds
	e.Inputs = j.undeclared(ctx, t, code, repeats)
	if n := j.body.Code.UntrackedCount; j.body.Code.Files == nil && n > 0 {
		e.Uncaptured = append(e.Uncaptured, cli.FormatNum(int64(n), "untracked file")+" not kept: "+few(j.body.Code.Untracked))
	}
	if env := j.body.Environment; env != nil {
		for _, name := range sortedKeys(env.Variables) {
			if !run.TellsPlace(name) && !restorable(name, env.Variables[name]) {
				e.Uncaptured = append(e.Uncaptured, "variable "+name+" was not recorded")
			}
		}
	}
	return run.Causes(e)
}

// packages are those that differ between the run and a repeat of it.
func (j *rerunJob) packages(ctx context.Context, t *rerunTree, repeat run.View) []run.PackageChange {
	store, err := t.app.store() // it knows what the repeat saved
	if err != nil || j.body.Environment == nil || repeat.Environment == nil {
		return nil
	}
	then, err := run.PackagesOf(ctx, store, j.body.Environment.Python)
	if err != nil {
		return nil
	}
	now, err := run.PackagesOf(ctx, store, repeat.Environment.Python)
	if err != nil {
		return nil
	}
	return run.ComparePackages(then, now)
}

// Bounds of what is read of code.
const (
	maxCodeFiles = 2000
	maxCodeFile  = 1 << 20
	maxMentions  = 5000
)

// codeText is what the code of a run says that matters here.
type codeText struct {
	seeds    bool
	mentions map[string]string // what looks like a path, and where it stands first
	order    []string
}

// seedCall is how programs fix random numbers: a call with a value, not the one without that takes the time.
var seedCall = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)(seed_everything|manual_seed|manual_seed_all|set_seed|\bseed|default_rng|RandomState|PRNGKey|Random)\(\s*[^)\s]|random_state\s*=\s*[0-9A-Za-z_]`)
})

// pathInText is what looks like the path of a file: it has a slash or an extension.
var pathInText = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[\w.~/\\-]*[\w-]+(?:/[\w.-]+|\.[A-Za-z][\w]{0,7})+`) })

// codeExtensions are those of files that are read for what they name.
func codeExtensions() []string {
	return []string{".py", ".sh", ".r", ".R", ".jl", ".yaml", ".yml", ".json", ".toml", ".ini", ".cfg", ".ipynb", ".sql", ".js", ".ts", ".go", ".mk", ".rb", ".pl"}
}

// readCode reads the command, its parameters and the code in the tree.
func (j *rerunJob) readCode(t *rerunTree) codeText {
	c := codeText{mentions: make(map[string]string)}
	c.read("the command", strings.Join(j.body.Command, "\n"))
	for _, key := range sortedKeys(j.body.Params) {
		if s, ok := j.body.Params[key].(string); ok {
			c.read("parameter "+key, s)
		}
	}
	files, n := t.top.FS(), 0
	_ = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error { // what cannot be read names nothing
		switch {
		case err != nil:
			return skipped(d)
		case d.IsDir() && (j.leftBehind(files, name) || strings.HasPrefix(d.Name(), ".") && name != "."):
			return fs.SkipDir
		case !d.Type().IsRegular() || !isCodeName(name) || slices.Contains(j.body.Outs, name):
			return nil
		}
		if n++; n > maxCodeFiles {
			return fs.SkipAll
		}
		f, err := files.Open(name)
		if err != nil {
			return nil
		}
		defer f.Close()
		if text, err := io.ReadAll(io.LimitReader(f, maxCodeFile)); err == nil {
			c.read(name, string(text))
		}
		return nil
	})
	return c
}

func isCodeName(name string) bool {
	return slices.Contains(codeExtensions(), path.Ext(name)) || path.Base(name) == "Makefile" || path.Base(name) == "Snakefile"
}

func (c *codeText) read(from, text string) {
	if isSource(from) && seedCall().MatchString(text) {
		c.seeds = true
	}
	for _, word := range pathInText().FindAllString(text, -1) {
		if len(c.mentions) >= maxMentions {
			return
		}
		word = strings.TrimRight(filepath.ToSlash(word), ".")
		if _, known := c.mentions[word]; !known && len(word) < 1024 {
			c.mentions[word] = from
			c.order = append(c.order, word)
		}
	}
}

// isSource says whether a text can call functions: a configuration that names a seed is no proof that it is used.
func isSource(from string) bool {
	return !slices.Contains([]string{".yaml", ".yml", ".json", ".toml", ".ini", ".cfg"}, path.Ext(from)) || path.Ext(from) == ".ipynb"
}

// undeclared finds files that the code names and that no record keeps.
func (j *rerunJob) undeclared(ctx context.Context, t *rerunTree, c codeText, repeats []run.View) []run.Undeclared {
	var all []run.Undeclared
	seen := make(map[string]bool)
	for _, word := range c.order {
		u, ok := j.outside(ctx, word, repeats)
		if !filepath.IsAbs(filepath.FromSlash(word)) {
			u, ok = j.ignored(t, word, c.mentions[word])
		}
		if ok && !seen[u.Path] {
			seen[u.Path] = true
			u.By = c.mentions[word]
			all = append(all, u)
		}
	}
	return all
}

// outside judges an absolute path: data of the run that was read where somebody works, or a file that no record can keep.
func (j *rerunJob) outside(ctx context.Context, word string, repeats []run.View) (run.Undeclared, bool) {
	u := run.Undeclared{Path: word, Why: "it is outside the repository"}
	info, err := os.Stat(filepath.FromSlash(word))
	if err != nil || ofTheSystem(word) {
		return u, false
	}
	if rel, err := j.repo.Rel(filepath.FromSlash(word)); err == nil {
		u.Path, u.Why = rel, "by its absolute path"
		for _, d := range j.data {
			if within(rel, d.Path) || within(d.Path, rel) {
				u.Data = d.Root.Hex()
				return u, j.differsHere(ctx, d)
			}
		}
		return u, rel != "." && !info.IsDir()
	}
	if !info.Mode().IsRegular() {
		return u, false
	}
	written := info.ModTime()
	if began := repeats[0].StartedAt; began != nil && !written.Before(*began) {
		return u, false // the repeats themselves wrote it
	}
	u.Changed = j.body.EndedAt != nil && written.After(*j.body.EndedAt)
	return u, true
}

// ofTheSystem says of an absolute path that it belongs to the machine.
func ofTheSystem(word string) bool {
	return slices.ContainsFunc([]string{"/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/dev", "/proc", "/sys", "/opt", "/System", "/Library"},
		func(dir string) bool { return within(word, dir) })
}

// ignored judges a relative path: it is here, and a clean work tree does not have it.
func (j *rerunJob) ignored(t *rerunTree, word, from string) (run.Undeclared, bool) {
	for _, base := range []string{j.body.Folder, ".", path.Dir(from)} {
		rel := path.Join(base, word)
		u := run.Undeclared{Path: rel, Why: "git ignores it", Absent: true}
		if !filepath.IsLocal(filepath.FromSlash(rel)) || rel == "." || j.isOutput(rel) {
			continue
		}
		info, err := os.Stat(j.repo.Abs(rel))
		if err != nil || j.installed(rel) {
			continue
		}
		if _, err := t.top.Lstat(filepath.FromSlash(rel)); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if above := pointerAbove(j.repo, rel); above != "" {
			u.Path, u.Why = above, "it is tracked and the run does not declare it"
		}
		u.Changed = j.body.EndedAt != nil && info.ModTime().After(*j.body.EndedAt)
		return u, true
	}
	return run.Undeclared{}, false
}

// installed says whether a path is in a virtual environment.
func (j *rerunJob) installed(rel string) bool {
	for ; rel != "."; rel = path.Dir(rel) {
		if isVenv(os.DirFS(j.repo.Root), rel) {
			return true
		}
	}
	return false
}

// isOutput says whether the run wrote a path, or declared that it would.
func (j *rerunJob) isOutput(rel string) bool {
	return slices.ContainsFunc(j.body.Outs, func(out string) bool { return within(rel, out) || within(out, rel) }) ||
		slices.ContainsFunc(j.body.Outputs, func(o run.Output) bool { return within(rel, o.Path) || within(o.Path, rel) })
}

// noteData says which data where somebody works is not what the repeat was given.
func (j *rerunJob) noteData(ctx context.Context) {
	for _, d := range j.data {
		if j.differsHere(ctx, d) {
			j.app.streams.Note("%s here differs from version %s, which the run read and the repeat was given", j.app.shown(d.Path), d.Root.Short())
		}
	}
}

// differsHere says whether data where somebody works is not the version that the run read.
func (j *rerunJob) differsHere(ctx context.Context, d restoration) bool {
	store, err := j.app.store()
	if err != nil {
		return false
	}
	ignore, err := j.repo.Matcher(d.Path)
	if err != nil {
		return false
	}
	if _, err := os.Lstat(j.repo.Abs(d.Path)); err != nil {
		return false
	}
	for _, err := range store.Status(ctx, snapshot.StatusOptions{Path: j.repo.Abs(d.Path), Base: d.Root, Kind: d.kind, Ignore: ignore}) {
		return err == nil
	}
	return false
}
