package main

import (
	"context"
	"os"
	"path"
	"strconv"
	"strings"

	"mlx/internal/audit"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/repo"
	"mlx/internal/run"
)

// finder collects what a word could mean. After an error its methods do nothing.
type finder struct {
	app   *app
	ctx   context.Context // a finder lives for one call of read
	r     reading
	found []target
	err   error
	wrong error // what is wrong with the word if it means what it most likely does
}

// everything tries each meaning of a word without a kind. A file that mlx does not track counts only when nothing else
// does: half of all words are also the name of some file.
func (f *finder) everything() {
	if strings.HasPrefix(f.r.word, "@last") {
		f.last()
		return
	}
	if f.longDigest() {
		return
	}
	f.tag()
	f.digest()
	f.runName()
	f.model()
	if len(f.found) == 1 && f.found[0].Version != nil {
		return // NAME@v3 of a model that exists is no chance: git need not be asked
	}
	f.path(false)
	f.git()
	if len(f.found) == 0 {
		f.path(true)
	}
}

// longDigest finds a word that is a digest, or so much of one that nothing else is meant: tags may not look like that, and
// chance does not make a revision of git of it.
func (f *finder) longDigest() bool {
	if len(f.r.word) < 12 || !looksLikeDigest(f.r.word) {
		return false
	}
	f.digest()
	return len(f.found) > 0 || f.err != nil
}

func (f *finder) add(t target) {
	for _, old := range f.found {
		if old.same(t) {
			return
		}
	}
	f.found = append(f.found, t)
}

// keep drops what is of another kind.
func (f *finder) keep(kind string) {
	kept := f.found[:0]
	for _, t := range f.found {
		if t.Kind == kind {
			kept = append(kept, t)
		}
	}
	f.found = kept
}

func (f *finder) ledger() *lineage.Ledger {
	if f.err != nil {
		return nil
	}
	l, err := f.app.ledger()
	f.err = err
	return l
}

// last finds @last and @last~N.
func (f *finder) last() {
	rest, ok := strings.CutPrefix(f.r.word, "@last")
	l := f.ledger()
	if !ok || l == nil {
		return
	}
	back := 0
	if rest != "" {
		digits, ok := strings.CutPrefix(rest, "~")
		n, err := strconv.Atoi(digits)
		if !ok || err != nil || n < 0 {
			f.err = fault.New(fault.Usage, "cannot resolve %q: it is no form of @last", f.r.typed).Hint("mlx show @last~1")
			return
		}
		back = n
	}
	worktree, err := f.app.worktree()
	if err != nil {
		f.err = err
		return
	}
	v, err := f.app.history(l).Last(f.ctx, worktree, back)
	if err != nil {
		f.err = fault.New(fault.KindOf(err), "cannot resolve %q: %w", f.r.typed, err)
		return
	}
	f.run(l, v)
}

func (f *finder) run(l *lineage.Ledger, v run.View) {
	rec, err := l.Get(f.ctx, v.Record)
	if err != nil {
		f.err = err
		return
	}
	name := ""
	if v.Name != nil {
		name = *v.Name
	}
	f.add(target{Kind: refRun, ID: v.RunID, Name: name, Record: rec})
}

// runName finds the newest run of a name given with --name.
func (f *finder) runName() {
	l := f.ledger()
	if l == nil || f.r.word == "" {
		return
	}
	for v, err := range f.app.history(l).Views(f.ctx, lineage.Query{Where: "name == " + strconv.Quote(f.r.word), Limit: 1}) {
		if err != nil {
			f.err = err
			return
		}
		f.run(l, v)
	}
}

// tag finds what a tag names. Words that many things may carry name none of them.
func (f *finder) tag() {
	l := f.ledger()
	if l == nil || f.r.word == "" {
		return
	}
	for t, err := range currentTags(f.ctx, l, "name == "+strconv.Quote(f.r.word)) {
		if err != nil {
			f.err = err
			return
		}
		if t.body.Deleted || t.body.annotates() {
			continue
		}
		f.tagged(l, t.body)
	}
}

func (f *finder) tagged(l *lineage.Ledger, t tagBody) {
	whole, err := object.ParsePrefix(t.Target.ID.Hex())
	if err != nil {
		f.err = err
		return
	}
	matches, err := l.Find(f.ctx, whole)
	if err != nil {
		f.err = err
		return
	}
	for _, m := range matches {
		if found, ok := explain(m); ok && found.Kind == t.Target.Kind {
			f.add(found)
			return
		}
	}
	f.add(target{Kind: t.Target.Kind, ID: t.Target.ID, Name: t.Name})
}

// digest finds records, snapshots and outputs whose digest begins with the word.
func (f *finder) digest() {
	p, err := object.ParsePrefix(f.r.word)
	if err != nil {
		return // another meaning
	}
	l := f.ledger()
	if l == nil {
		return
	}
	matches, err := l.Find(f.ctx, p)
	if err != nil {
		f.err = err
		return
	}
	for _, m := range matches {
		if t, ok := explain(m); ok {
			f.add(t)
		}
	}
}

// explain says what a digest in the ledger stands for.
func explain(m lineage.Match) (target, bool) {
	rec := m.Record
	if m.Role == "id" {
		return recordTarget(rec), true
	}
	if m.Role != "body" {
		return target{}, false // some record says that it exists, none what it is
	}
	switch {
	case registry.Registered.Is(rec):
		body, err := registry.Registered.Decode(rec)
		return target{Kind: refSnapshot, ID: body.Root, Name: body.Path, Record: rec}, err == nil && (body.Root == m.ID || body.Digest == m.ID)
	case snapshotSaved.Is(rec):
		body, err := snapshotSaved.Decode(rec)
		return target{Kind: refSnapshot, ID: m.ID, Name: body.Path, Record: rec}, err == nil
	case importMade.Is(rec):
		body, err := importMade.Decode(rec)
		return target{Kind: refSnapshot, ID: m.ID, Name: body.Path, Record: rec}, err == nil && body.Root == m.ID
	case run.Started.Is(rec), run.Ended.Is(rec):
		return explainInRun(m)
	case audit.SegmentSealed.Is(rec):
		return explainSealed(m)
	}
	return explainRelease(m)
}

// recordTarget is what a record stands for.
func recordTarget(rec lineage.Record) target {
	if id, ok := run.IDOf(rec); ok {
		return target{Kind: refRun, ID: id, Record: rec}
	}
	switch {
	case registry.Registered.Is(rec):
		if body, err := registry.Registered.Decode(rec); err == nil {
			return target{Kind: refModel, ID: rec.ID, Name: body.Name(), Record: rec}
		}
	case gate.Judged.Is(rec):
		return target{Kind: refGate, ID: rec.ID, Record: rec}
	case snapshotSaved.Is(rec):
		if body, err := snapshotSaved.Decode(rec); err == nil {
			return target{Kind: refSnapshot, ID: body.Root, Name: body.Path, Record: rec}
		}
	}
	return target{Kind: refRecord, ID: rec.ID, Record: rec}
}

// explainInRun finds a digest among what a run read and wrote.
func explainInRun(m lineage.Match) (target, bool) {
	kind := run.Ended
	if run.Started.Is(m.Record) {
		kind = run.Started
	}
	body, err := kind.Decode(m.Record)
	if err != nil {
		return target{}, false
	}
	for _, d := range body.Data {
		if d.Root == m.ID {
			return target{Kind: refSnapshot, ID: d.Root, Name: d.Path, Record: m.Record}, true
		}
	}
	for _, o := range body.Outputs {
		if o.Root == m.ID || o.Digest == m.ID {
			return target{Kind: refSnapshot, ID: o.Root, Name: o.Path, Record: m.Record}, true
		}
	}
	for _, kept := range body.Kept() {
		if kept.Root == m.ID {
			return target{Kind: refSnapshot, ID: m.ID, Name: kept.Why, Record: m.Record}, true
		}
	}
	return target{}, false
}

// git finds a revision of git.
func (f *finder) git() {
	if f.err != nil || f.r.word == "" {
		return
	}
	r, err := f.app.repo()
	if err != nil || r.NoGit {
		f.err = err
		return
	}
	commit, err := r.Resolve(f.ctx, f.r.word)
	switch {
	case err == nil:
		f.add(target{Kind: refGit, Commit: commit, Name: f.r.word})
	case len(f.found) > 0: // it has another meaning
	case fault.KindOf(err) == fault.Denied:
		f.err = err // git was not asked: nobody knows whether it is a revision
	}
}

// path finds a tracked path, a path inside one, or, with untracked, any file of the project.
func (f *finder) path(untracked bool) {
	if f.err != nil {
		return
	}
	r, err := f.app.repo()
	if err != nil {
		f.err = err
		return
	}
	rel, err := r.Rel(f.app.wherever(f.r.word))
	if err != nil {
		if f.r.kind == refPath {
			f.err = err
		}
		return
	}
	_, statErr := os.Lstat(r.Abs(rel))
	if pointerAbove(r, rel) != "" || untracked && statErr == nil {
		f.add(target{Kind: refPath, Name: rel})
	}
}

// pathSnapshot finds the snapshot that a tracked path has now.
func (f *finder) pathSnapshot() {
	f.path(false)
	for i, t := range f.found {
		found, err := f.app.tracked(f.ctx, t)
		if err != nil {
			f.err = err
			return
		}
		f.found[i] = found
	}
	f.keep(refSnapshot)
}

// pointerAbove returns the tracked path that rel is or lies in, or "".
func pointerAbove(r *repo.Repo, rel string) string {
	for p := rel; p != "." && p != "/" && p != ""; p = path.Dir(p) {
		info, err := os.Stat(r.Abs(p) + repo.PointerExt)
		if err == nil && info.Mode().IsRegular() {
			return p
		}
	}
	return ""
}

// config finds a name that mlx.yaml defines in a section.
func (f *finder) config(section string) {
	if f.err != nil {
		return
	}
	cfg, err := f.app.config()
	if err != nil {
		f.err = err
		return
	}
	if section == "remotes" && f.r.word == "default" {
		f.r.word = cfg.Default()
	}
	names := referable(cfg, section)
	if section == "backends" { // some are the user's own
		if names, err = f.app.backendNames(); err != nil {
			f.err = err
			return
		}
	}
	for _, name := range names {
		if name == f.r.word {
			f.add(target{Kind: refConfig, Name: name, Section: section})
		}
	}
}

// configNames lists the names that a section of mlx.yaml defines.
func configNames(cfg *repo.Config, section string) []string {
	switch section {
	case "gates":
		return cfg.Gates.Names()
	case "stages":
		return cfg.Stages.Names()
	case "monitors":
		return cfg.Monitors.Names()
	case "services":
		return cfg.Services.Names()
	case "backends":
		return cfg.Backends.Names()
	case "remotes":
		return cfg.Remotes.Names()
	case "envs":
		return cfg.Environments.Names()
	}
	return nil // models are no part of mlx.yaml
}
