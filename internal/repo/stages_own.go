package repo

import (
	"context"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/fault"
)

// maxReflog bounds the reflog that is looked into; a longer one counts as that of a clone.
const maxReflog = 16 << 20

// Trust lists what the steps, and the samples of their inputs, need allowed, each exact value once.
func (p *Pipeline) Trust() []TrustItem {
	var all []TrustItem
	seen := map[TrustItem]bool{}
	for i := range p.Steps {
		item := p.Steps[i].TrustItem()
		if !seen[item] {
			seen[item] = true
			all = append(all, item)
		}
	}
	for input, sample := range p.samples.All() {
		if sample.Cmd != "" {
			all = append(all, sample.TrustItem(input))
		}
	}
	return all
}

// TrustItem is what the step needs allowed.
func (s *Step) TrustItem() TrustItem {
	return TrustItem{Kind: TrustStage, Name: s.Group, Value: s.Trust}
}

// WithStages adds what the stages need allowed to the items of mlx.yaml, behind its own stages.
func WithStages(items []TrustItem, p *Pipeline) []TrustItem {
	known := make(map[TrustItem]bool, len(items))
	at := len(items)
	for i, item := range items {
		known[item] = true
		if item.Kind == TrustSample || item.Kind == TrustCheck || item.Kind == TrustService {
			at = min(at, i)
		}
	}
	var more []TrustItem
	for _, item := range p.Trust() {
		if !known[item] {
			more = append(more, item)
		}
	}
	return slices.Insert(items, at, more...)
}

// OwnWords returns those of the items that were written here, by whoever uses this work tree, and how that is known: this repository
// never met another, or the words stand in the files of the work tree and not in those that are committed. While git is in the
// middle of a merge, a rebase or the like, the work tree holds others' words as well.
func (r *Repo) OwnWords(ctx context.Context, items []TrustItem) (own []TrustItem, why string, err error) {
	if r.NoGit {
		return nil, "", nil // a .mlx folder may come with an archive, and nothing tells it from one that was made here
	}
	if !r.metOthers(ctx) {
		return items, "this repository has no remote and is no clone", nil
	}
	for _, name := range []string{"MERGE_HEAD", "SQUASH_MSG", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply"} {
		if exists(filepath.Join(r.GitDir, name)) {
			return nil, "", nil
		}
	}
	head, err := r.Head(ctx)
	if err != nil || head.Commit == "" {
		return nil, "", err // nothing to compare with
	}
	committed, err := r.stageTrustAt(ctx, head.Commit)
	if err != nil {
		return nil, "", err
	}
	for _, item := range items {
		if !committed[item] {
			own = append(own, item)
		}
	}
	return own, "it was written here and is not committed", nil
}

// metOthers says whether the repository has, or had, another that it takes commits from.
func (r *Repo) metOthers(ctx context.Context) bool {
	remotes, err := r.git(ctx, "remote")
	if err != nil || len(remotes) > 0 {
		return true
	}
	for _, trace := range []string{"shallow", "FETCH_HEAD", filepath.Join("objects", "info", "alternates")} {
		if exists(filepath.Join(r.CommonDir, trace)) {
			return true
		}
	}
	fetched, err := r.git(ctx, "for-each-ref", "--count=1", "refs/remotes")
	if err != nil || len(fetched) > 0 {
		return true
	}
	reflog := filepath.Join(r.CommonDir, "logs", "HEAD")
	log, err := readSmall(reflog, maxReflog)
	if err != nil {
		return exists(reflog) // before the first commit there is none
	}
	return strings.Contains(string(log), "\tclone:") || strings.Contains(string(log), "\tpull")
}

// stageTrustAt returns what the stages, gates, monitors and services of a commit need allowed.
func (r *Repo) stageTrustAt(ctx context.Context, commit string) (map[TrustItem]bool, error) {
	c, err := r.configAt(ctx, commit, commit)
	if fault.KindOf(err) == fault.NotFound {
		c, err = new(Config), nil
	}
	if err != nil {
		return nil, err
	}
	p, err := r.pipelineAt(ctx, commit, c)
	if err != nil {
		return nil, err
	}
	all := map[TrustItem]bool{}
	for _, item := range slices.Concat(p.Trust(), c.GateTrust(), c.MonitorTrust(), c.ServiceTrust()) {
		all[item] = true
	}
	return all, nil
}

// pipelineAt expands the stages of a commit.
func (r *Repo) pipelineAt(ctx context.Context, commit string, c *Config) (*Pipeline, error) {
	out, err := r.git(ctx, "ls-tree", "-r", "-z", "--name-only", commit)
	if err != nil {
		return nil, err
	}
	names := splitZ(out)
	other := map[string]bool{}
	for _, name := range names {
		if path.Base(name) == ConfigName && path.Dir(name) != "." {
			other[path.Dir(name)] = true
		}
	}
	var files []string
	for _, name := range names {
		if path.Base(name) == DvcName && !other[path.Dir(name)] && !insideData(name, other) {
			files = append(files, name)
		}
	}
	return c.pipeline(files, func(name string) ([]byte, error) { return r.FileAt(ctx, commit, name) })
}
