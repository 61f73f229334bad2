package main

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/registry"
)

// The kinds of thing that a reference can name. Those after refPath are names in mlx.yaml.
const (
	refRun      = "run"
	refSnapshot = "snapshot"
	refGate     = "gate" // a verdict, or with the prefix gate: also a gate of mlx.yaml
	refRecord   = "record"
	refTag      = "tag"
	refGit      = "git"
	refPath     = "path"
	refStage    = "stage" // the run that made its outputs
	refBackend  = "backend"
	refConfig   = "config" // a name that mlx.yaml defines
)

// target is what a reference names.
type target struct {
	Kind    string
	ID      object.Digest  // run: its id; snapshot: its root; verdict or other record: the record
	Name    string         // snapshot: its path; path: itself, from the root of the repository; tag, run: its name
	Commit  string         // git: the commit
	Inner   string         // PATH of REF:PATH, with slashes
	Section string         // config: where in mlx.yaml, such as gates
	Record  lineage.Record // the record that explains it; empty for git, path and config

	Model   *registry.Model   // of a reference to a model, where it is at hand
	Version *registry.Version // of a reference to one version of it
}

// ref is the target as JSON shows it.
func (t target) ref() fault.Ref {
	id := t.ID.Hex()
	if t.ID.IsZero() {
		id = t.Commit
	}
	return fault.Ref{Kind: t.Kind, ID: id, Name: t.Name}
}

// short is the target as people see it.
func (t target) short() string {
	switch {
	case t.Kind == refGit:
		return "git " + t.Commit[:min(7, len(t.Commit))]
	case t.ID.IsZero() || t.Kind == refModel && t.Name != "":
		return t.Kind + " " + t.Name
	}
	return t.Kind + " " + t.ID.Short()
}

// certain is a reference that means this target and nothing else.
func (t target) certain() string {
	switch {
	case t.Kind == refGit:
		return "git:" + t.Commit[:min(12, len(t.Commit))]
	case t.ID.IsZero() || t.Kind == refModel && t.Name != "":
		return t.Kind + ":" + t.Name
	}
	return t.Kind + ":" + t.ID.Short()
}

// same reports whether two ways of reading a word end at the same thing.
func (t target) same(o target) bool {
	return t.Kind == o.Kind && t.ID == o.ID && t.Commit == o.Commit && t.Inner == o.Inner && (!t.ID.IsZero() || t.Name == o.Name)
}

// reading is a reference taken apart: KIND:WORD:INNER.
type reading struct {
	typed, kind, word, inner string
}

// prefixes are the kinds that may stand before a colon.
func prefixes() []string {
	return []string{refRun, refSnapshot, refGate, refRecord, refTag, refGit, refPath, refModel, refStage, "monitor", "service", "backend",
		"remote", "env"}
}

func readRef(typed string) reading {
	r := reading{typed: typed, word: typed}
	if isPlainPath(typed) {
		r.kind = refPath
		return r
	}
	if kind, rest, ok := strings.Cut(typed, ":"); ok && slices.Contains(prefixes(), kind) {
		r.kind, r.word = kind, rest
	}
	if r.kind == refPath {
		return r
	}
	if word, inner, ok := strings.Cut(r.word, ":"); ok && len(word) > 1 { // one letter is a drive of Windows
		r.word, r.inner = word, strings.Trim(inner, "/")
	}
	return r
}

// isPlainPath reports whether a word can be nothing but a path.
func isPlainPath(s string) bool {
	return s == "." || s == ".." || strings.HasPrefix(s, "./") || strings.HasPrefix(s, "../") || strings.HasPrefix(s, "/") ||
		strings.HasPrefix(s, `.\`) || strings.HasPrefix(s, `..\`)
}

// resolve returns the one thing that a reference names. With kinds given, only those count.
func (a *app) resolve(ctx context.Context, typed string, kinds ...string) (target, error) {
	r := readRef(typed)
	found, err := a.read(ctx, r)
	if err != nil {
		return target{}, err
	}
	if len(kinds) > 0 {
		found = slices.DeleteFunc(found, func(t target) bool { return !slices.Contains(kinds, t.Kind) })
	}
	switch len(found) {
	case 0:
		return target{}, a.unresolved(ctx, r, kinds)
	case 1:
		found[0].Inner = r.inner
		return found[0], nil
	}
	return target{}, a.ambiguous(r, found)
}

// resolveAll resolves a list of references.
func (a *app) resolveAll(ctx context.Context, typed []string, kinds ...string) ([]target, error) {
	all := make([]target, 0, len(typed))
	for _, t := range typed {
		found, err := a.resolve(ctx, t, kinds...)
		if err != nil {
			return nil, err
		}
		all = append(all, found)
	}
	return all, nil
}

// spelled is a list of references with what stands for several in full: - reads one a line from stdin, a pattern is the
// tracked data that fits it.
func (a *app) spelled(ctx context.Context, typed []string) ([]string, error) {
	var all []string
	for _, word := range typed {
		switch {
		case word == "-":
			lines := bufio.NewScanner(a.streams.In)
			for lines.Scan() {
				if line := strings.TrimSpace(lines.Text()); line != "" {
					all = append(all, line)
				}
			}
			if err := lines.Err(); err != nil {
				return nil, fault.New(fault.KindOf(err), "cannot read references from stdin: %w", err)
			}
		case strings.ContainsAny(word, "*?["):
			fits, err := a.fitting(ctx, word)
			if err != nil {
				return nil, err
			}
			all = append(all, fits...)
		default:
			all = append(all, word)
		}
	}
	return all, nil
}

// fitting is the tracked data that a pattern fits, each as a reference. What fits nothing stays as it is: it may be the
// name of something else.
func (a *app) fitting(ctx context.Context, word string) ([]string, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	paths, err := r.Pointers(ctx)
	if err != nil {
		return nil, err
	}
	rel, err := r.Rel(word)
	if err != nil {
		return []string{word}, nil
	}
	var all []string
	for _, p := range matching(paths, rel) {
		all = append(all, refPath+":"+a.shown(p))
	}
	if len(all) == 0 {
		all = []string{word}
	}
	return all, nil
}

// read returns everything that r could mean, each thing once.
func (a *app) read(ctx context.Context, r reading) ([]target, error) {
	f := finder{app: a, ctx: lineage.Steady(ctx), r: r}
	switch r.kind {
	case refPath:
		f.path(true)
	case refGit:
		f.git()
	case refTag:
		f.tag()
	case refRun, refSnapshot, refRecord:
		if f.last(); !f.longDigest() {
			f.tag()
			f.digest()
			f.runName()
		}
		f.keep(r.kind)
		if r.kind == refSnapshot && len(f.found) == 0 {
			f.pathSnapshot()
		}
	case refModel:
		if f.model(); len(f.found) == 0 {
			f.digest()
			f.keep(refModel)
		}
	case refGate:
		if f.config("gates"); len(f.found) == 0 {
			f.digest()
			f.keep(refGate)
		}
	case refStage:
		f.stage()
	case "":
		f.everything()
	default:
		f.config(r.kind + "s")
	}
	if len(f.found) == 0 && f.err == nil {
		f.err = f.wrong
	}
	return f.found, f.err
}

// definition is what mlx.yaml calls by a name that was typed without its kind; empty when that is nothing.
func (a *app) definition(ctx context.Context, r reading) string {
	for _, kind := range []string{"monitor", refGate, refStage} {
		if known := kind + ":" + r.word; r.kind == "" && slices.Contains(a.definedNames(ctx, kind), known) {
			return known
		}
	}
	return ""
}

// unresolved is the error for a reference that names nothing.
func (a *app) unresolved(ctx context.Context, r reading, kinds []string) error {
	digests := []string{refRun, refSnapshot, refGate, refRecord}
	mayBeDigest := r.kind == "" || r.kind == refModel || slices.Contains(digests, r.kind)
	if n := len(r.word); mayBeDigest && n > 0 && n < object.MinPrefix && strings.Trim(r.word, "0123456789abcdef") == "" {
		return fault.New(fault.Usage, "cannot resolve %q: a digest prefix needs %d or more digits", r.typed, object.MinPrefix).
			Hint("mlx log -k run")
	}
	if r.kind == refStage {
		if _, err := a.stageRun(ctx, r.word); err != nil {
			return fault.New(fault.KindOf(err), "cannot resolve %q: %w", r.typed, err)
		}
	}
	what := "nothing here has this name or digest"
	switch {
	case r.kind == refGit:
		what = "git knows no such revision"
	case slices.Contains(digests, r.kind):
		what = fmt.Sprintf("no %s has this name or digest", r.kind)
	case r.kind == refTag:
		what = "there is no such tag"
	case r.kind == refModel:
		what = "nothing is registered under this name"
	case r.kind != "" && r.kind != refPath:
		what = fmt.Sprintf("mlx.yaml defines no such %s", r.kind)
	case r.kind == refPath:
		what = "no such path"
	case len(kinds) > 0:
		what = "it names no " + strings.Join(kinds, " and no ")
	}
	err := fault.New(fault.NotFound, "cannot resolve %q: %s", r.typed, what)
	if defined := a.definition(ctx, r); defined != "" {
		return err.Hint("%s", a.retyped(r.typed, defined))
	}
	if near := fault.Nearest(r.word, a.knownNames(ctx, "")); r.kind == "" && near != "" && near != r.word {
		return err.Hint("%s", a.retyped(r.typed, near))
	}
	if near := fault.Nearest(r.kind+":"+r.word, a.knownNames(ctx, r.kind)); r.kind != "" && near != "" && near != r.kind+":"+r.word {
		return err.Hint("%s", a.retyped(r.typed, near))
	}
	if name, which, ok := strings.Cut(r.word, "@"); ok && (r.kind == "" || r.kind == refModel) {
		if near := fault.Nearest(name, a.knownNames(ctx, "")); near != "" && near != name {
			return err.Hint("%s", a.retyped(r.typed, near+"@"+which))
		}
	}
	switch {
	case a.annotation(ctx, r.word):
		return err.Hint("mlx log -k tag   # %s=VALUE is said of things, it names none", r.word)
	case strings.HasPrefix(what, "mlx.yaml"):
		return err.Hint("mlx show mlx.yaml")
	case r.kind == refGit:
		return err.Hint("git log")
	case r.kind == refModel || strings.Contains(r.word, "@"):
		return err.Hint("mlx model list")
	}
	return err.Hint("mlx log")
}

// ambiguous is the error for a word with two meanings: it shows how to say each.
func (a *app) ambiguous(r reading, found []target) error {
	words := make([]string, len(found))
	for i, t := range found {
		words[i] = t.short()
	}
	err := fault.New(fault.Conflict, "cannot resolve %q: it could be %s", r.typed, strings.Join(words, " or "))
	for i, t := range found {
		certain := t.Kind + ":" + r.word
		if _, err := object.ParsePrefix(r.word); err != nil && !t.ID.IsZero() && t.Kind != refModel {
			certain = t.Kind + ":" + t.ID.Short()
		}
		for j, other := range found {
			if i != j && other.Kind == t.Kind && !t.ID.IsZero() && t.Kind != refModel {
				certain = t.Kind + ":" + t.ID.Short()
			}
		}
		if r.inner != "" {
			certain += ":" + r.inner
		}
		err.About(t.ref()).Hint("%s", a.retyped(r.typed, certain))
	}
	return err
}

// retyped is the command line with one word replaced.
func (a *app) retyped(old, replacement string) string {
	words := []string{"mlx"}
	for _, w := range a.args {
		if w == old {
			w = replacement
		}
		if strings.ContainsAny(w, " \t'\"$&;|<>()*?") {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}
