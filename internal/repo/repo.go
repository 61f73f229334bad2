// Package repo hides where a project lives and how it is configured: which folder is the project, where its state is
// kept inside git's own folder, how mlx.yaml and the settings are read and which value wins, and how git is asked.
//
// Git is asked in two ways, for a reason each. What every command needs (the commit, the index, one file of one commit)
// is read in process by go-git: starting a program costs more than the whole answer, and containers in which git
// refuses a folder with another owner still work. What must agree with git to the letter (is the work tree dirty, the
// uncommitted patch, and every commit that a reference, a reflog, a stash or another worktree still holds) is asked of
// the git program: go-git's own status and diff differ from git's in filters and line ends and read every file, and gc
// deletes by that list of commits, so only git's own reading of references, reflogs and worktrees is good enough.
package repo

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"mlx/internal/fault"
)

// ConfigName is the name of the committed configuration, which marks the root of a project.
const ConfigName = "mlx.yaml"

// PointerExt ends the name of every pointer file.
const PointerExt = ".mlx"

// Repo is one project: the folder of one mlx.yaml and the state that belongs to it.
type Repo struct {
	Root      string // folder of mlx.yaml, absolute, without symbolic links
	WorkTree  string // root of the git work tree; empty outside git
	GitDir    string // git folder of this worktree; empty outside git
	CommonDir string // git folder that all worktrees share; empty outside git
	Home      string // state of this project: ledger, workspace indexes, clone id
	Shared    string // state that all projects of the clone share: the store, settings; equal to Home for most
	NoGit     bool   // set up outside git, by init --no-git
}

// anchor is the folder that holds the state: a git work tree, or a folder with .mlx in it.
type anchor struct {
	dir, gitDir, commonDir, shared string
	noGit                          bool
}

// Find returns the project that start belongs to: the nearest mlx.yaml at or above it, within one git work tree or
// below one .mlx folder.
func Find(start string) (*Repo, error) {
	start, err := canonical(start)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot find a repository: %w", err)
	}
	root := ""
	for dir := start; ; dir = filepath.Dir(dir) {
		if root == "" && isFile(filepath.Join(dir, ConfigName)) {
			root = dir
		}
		a, err := anchorAt(dir)
		if err != nil {
			return nil, err
		}
		if a != nil && root != "" {
			return a.project(root)
		}
		if a != nil || dir == filepath.Dir(dir) {
			break
		}
	}
	if root != "" {
		return nil, fault.New(fault.NotFound, "cannot find a repository: %s is in no git repository and has no .mlx folder beside it",
			filepath.Join(root, ConfigName)).Hint("git init   # or, to work without git: mlx init --no-git")
	}
	return nil, fault.New(fault.NotFound, "cannot find a repository: no %s in %s or above it", ConfigName, start).Hint("mlx init")
}

// anchorAt returns the anchor in dir, or nil when there is none. A .mlx folder wins over .git.
func anchorAt(dir string) (*anchor, error) {
	if isDir(filepath.Join(dir, ".mlx")) {
		return &anchor{dir: dir, shared: filepath.Join(dir, ".mlx"), noGit: true}, nil
	}
	gitDir, err := gitDirOf(dir)
	if err != nil || gitDir == "" {
		return nil, err
	}
	common, err := commonDirOf(gitDir)
	if err != nil {
		return nil, err
	}
	return &anchor{dir: dir, gitDir: gitDir, commonDir: common, shared: filepath.Join(common, "mlx")}, nil
}

// project makes the Repo of the mlx.yaml in root. A project at the anchor keeps its state in the shared folder itself;
// one further down keeps ledger and indexes in a folder of its own, named by its ledger id, so that the projects of a
// monorepo share bytes but no history.
func (a *anchor) project(root string) (*Repo, error) {
	r := &Repo{Root: root, Shared: a.shared, Home: a.shared, NoGit: a.noGit}
	if !a.noGit {
		r.WorkTree, r.GitDir, r.CommonDir = a.dir, a.gitDir, a.commonDir
	}
	if root == a.dir {
		return r, nil
	}
	id, err := ledgerID(filepath.Join(root, ConfigName))
	if err != nil {
		return nil, err
	}
	r.Home = filepath.Join(a.shared, "projects", id)
	return r, nil
}

// gitDirOf returns the git folder of the work tree rooted at dir, or "" when dir is no such root.
func gitDirOf(dir string) (string, error) {
	dot := filepath.Join(dir, ".git")
	info, err := os.Stat(dot)
	if err != nil {
		return "", nil // absent or unreadable: git itself goes on upward
	}
	if info.IsDir() {
		if _, err := os.Lstat(filepath.Join(dot, "HEAD")); err != nil {
			return "", nil // an empty .git folder is no repository to git either
		}
		return dot, nil
	}
	text, err := readSmall(dot, 4096)
	if err != nil {
		return "", fault.New(fault.KindOf(err), "cannot read %s: %w", dot, err)
	}
	target, ok := strings.CutPrefix(strings.TrimRight(string(text), "\r\n"), "gitdir: ")
	if !ok {
		return "", fault.New(fault.Usage, "cannot read %s: it does not name a git folder", dot)
	}
	return resolveFrom(dir, target), nil
}

// commonDirOf returns the folder that a linked worktree shares with the others.
func commonDirOf(gitDir string) (string, error) {
	text, err := readSmall(filepath.Join(gitDir, "commondir"), 4096)
	if errors.Is(err, fs.ErrNotExist) {
		return gitDir, nil
	}
	if err != nil {
		return "", fault.New(fault.KindOf(err), "cannot read the git folder: %w", err)
	}
	return resolveFrom(gitDir, strings.TrimSpace(string(text))), nil
}

// ledgerID reads the ledger id of a mlx.yaml without judging the rest of the file, which may be half edited.
func ledgerID(file string) (string, error) {
	text, err := readSmall(file, maxConfig)
	if err != nil {
		return "", fault.New(fault.KindOf(err), "cannot read %s: %w", file, err)
	}
	for line := range bytes.Lines(text) {
		rest, ok := bytes.CutPrefix(line, []byte("ledger:"))
		if !ok {
			continue
		}
		rest, _, _ = bytes.Cut(rest, []byte("#"))
		id := strings.Trim(strings.TrimSpace(string(rest)), `"'`)
		if validLedgerID(id) {
			return id, nil
		}
	}
	return "", fault.New(fault.NotFound, "cannot read %s: it names no ledger", file).Hint("mlx init   # adds one")
}

func validLedgerID(id string) bool {
	if len(id) != 16 {
		return false
	}
	return strings.Trim(id, "0123456789abcdef") == ""
}
