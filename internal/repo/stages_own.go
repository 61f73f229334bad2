package repo

import (
	"context"
	"path/filepath"
	"strings"
)

// OwnWords says whether the command of a step was written here, by whoever uses this work tree, and how that is known: this
// repository never met another, or the words stand in the file of the work tree and not in the one that is committed. While git is in
// the middle of a merge, a rebase or the like, the work tree is others' words as well.
func (r *Repo) OwnWords(ctx context.Context, s *Step) (own bool, why string) {
	if r.NoGit {
		return false, "" // a .mlx folder comes with an archive; a .git folder that does could run commands through git itself
	}
	if !r.metOthers(ctx) {
		return true, "this repository has no remote and is no clone"
	}
	for _, name := range []string{"MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply"} {
		if exists(filepath.Join(r.GitDir, name)) {
			return false, ""
		}
	}
	head, err := r.Head(ctx)
	if err != nil || head.Commit == "" {
		return false, "" // a clone of nothing, or nothing to compare with
	}
	items, err := r.stageTrustAt(ctx, head.Commit)
	if err != nil || items[TrustItem{Kind: TrustStage, Name: s.Group, Value: s.Trust}] {
		return false, ""
	}
	return true, "its command was written here and is not committed"
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
	// Empty until the first commit; its oldest line says how the branch came here.
	log, err := readSmall(filepath.Join(r.CommonDir, "logs", "HEAD"), maxReflog)
	if err != nil {
		return exists(filepath.Join(r.CommonDir, "logs", "HEAD"))
	}
	return strings.Contains(string(log), "\tclone:") || strings.Contains(string(log), "\tpull")
}

// maxReflog bounds the reflog that is looked into; a longer one counts as that of a clone.
const maxReflog = 16 << 20

// stageTrustAt returns what the stages of a commit need allowed. Files that cannot be read name none.
func (r *Repo) stageTrustAt(ctx context.Context, commit string) (map[TrustItem]bool, error) {
	all := map[TrustItem]bool{}
	items, err := r.TrustItemsAt(ctx, commit)
	for _, i := range items {
		if i.Kind == TrustStage {
			all[TrustItem{Kind: i.Kind, Name: i.Name, Value: i.Value}] = true
		}
	}
	return all, err
}
