package main

import (
	"context"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/repo"
	"mlx/internal/run"
	"mlx/internal/snapshot"
)

// app is what commands share: the streams, the flags that every command has, and things that are opened when first
// needed, once. A command that asks for none of them touches no file.
type app struct {
	streams *cli.Streams
	args    []string // as typed
	now     func() time.Time
	environ []string

	dir   string // -C
	at    string // folder of another repository that is only looked into; empty for the current folder
	color string // --color

	entered bool   // the command line was understood
	status  answer // what the command answers
	child   int    // status of a child process that is passed through

	repo     func() (*repo.Repo, error)
	settings func() (*repo.Settings, error)
	config   func() (*repo.Config, error)
	backends func() (repo.Map[repo.Backend], error)
	ledger   func() (*lineage.Ledger, error)
	store    func() (*snapshot.Store, error)

	pipeline *repo.Pipeline // once it was read
	leave    *stageLeave
	cause    *caused  // why runs are started, where nobody typed them
	job      *liveJob // what is executed is a job, whose start is recorded already
	dry      bool     // hosts of backends stay as they are

	opened []io.Closer // what is to be closed at the end
}

// close ends what was opened: the ledger may be about to seal what many processes wrote. Everything acknowledged is durable
// without it, so a failure is no trouble of the command's.
func (a *app) close() {
	for _, c := range a.opened {
		if err := c.Close(); err != nil {
			a.streams.Why("cannot close: %v", err)
		}
	}
}

// answer is the exit status of a command that could do its work.
type answer int

// The answers. Trouble is an error, never an answer.
const (
	yes     answer = 0
	no      answer = 1
	unclear answer = 3
)

// answer records what one subject's verdict is. Of several, no beats unclear beats yes.
func (a *app) answer(v answer) {
	if a.status == no || v == yes {
		return
	}
	a.status = v
}

func newApp(args []string, streams *cli.Streams) *app {
	a := &app{streams: streams, args: args, now: time.Now, environ: os.Environ()}
	streams.Now = a.now
	a.lazily()
	return a
}

// lazily lets the first use of each thing open it.
func (a *app) lazily() {
	a.repo = sync.OnceValues(a.findRepo)
	a.settings = sync.OnceValues(a.loadSettings)
	a.config = sync.OnceValues(a.readConfig)
	a.backends = sync.OnceValues(a.readBackends)
	a.ledger = sync.OnceValues(a.openLedger)
	a.store = sync.OnceValues(a.openStore)
	a.pipeline, a.leave = nil, new(stageLeave)
}

// reopen closes what was opened: the project has changed its place or its name, and the next use finds it anew.
func (a *app) reopen() {
	a.close()
	a.opened = nil
	a.lazily()
}

// enter applies the flags that every command has. It is the first thing that a command does.
func (a *app) enter(cmd *cobra.Command) error {
	a.entered = true
	if err := a.changeDir(); err != nil {
		return err
	}
	mode := a.color
	if _, bare := cmd.Annotations[needsNothing]; mode == "" && !bare {
		settings, err := a.settings()
		if err != nil {
			return err
		}
		mode, _ = settings.Get("color")
		hints, _ := settings.Get("hints")
		a.streams.Hints = hints != "false"
		if progress, _ := settings.Get("progress"); progress == "false" {
			a.streams.NoProgress = true
		}
	}
	return a.streams.SetColor(cli.ColorMode(mode))
}

// changeDir does what -C says, once.
func (a *app) changeDir() error {
	dir := a.dir
	a.dir = ""
	if dir == "" {
		return nil
	}
	if err := os.Chdir(dir); err != nil {
		return fault.New(fault.KindOf(err), "cannot enter %s: %w", dir, err)
	}
	return nil
}

func (a *app) findRepo() (*repo.Repo, error) {
	if err := a.changeDir(); err != nil { // completion comes here without enter
		return nil, err
	}
	dir, err := a.cwd()
	if err != nil {
		return nil, err
	}
	r, err := repo.Find(dir)
	switch {
	case err == nil:
		a.streams.Shorten = shorten(dir, r)
	case fault.KindOf(err) == fault.NotFound:
		return nil, hintProjects(dir, err)
	}
	return r, err
}

// hintProjects names a project below the folder, when there is none here or above it.
func hintProjects(dir string, err error) error {
	below, listErr := repo.Projects(context.Background(), dir)
	if listErr != nil || len(below) == 0 {
		return err
	}
	short, relErr := filepath.Rel(dir, below[0].Root)
	if relErr != nil {
		return err
	}
	return fault.New(fault.NotFound, "%w", err).Hint("cd %s   # %s below", shellWord(short), cli.FormatNum(int64(len(below)), "project"))
}

// shorten lets messages name the files of the project as they are typed in the current folder.
func shorten(dir string, r *repo.Repo) func(string) string {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	slash := string(filepath.Separator)
	folders := [][2]string{{dir + slash, ""}}
	for _, root := range []string{r.Root, r.WorkTree} {
		if up, err := filepath.Rel(dir, root); err == nil && root != "" && up != "." {
			folders = append(folders, [2]string{root + slash, up + slash})
		}
	}
	return cli.Relative(folders...)
}

// loadSettings works outside a repository as well: then only the user's own settings count.
func (a *app) loadSettings() (*repo.Settings, error) {
	r, err := a.repo()
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return nil, err
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		dir = "" // no home folder, as in some containers: no user settings
	}
	flags := make(map[string]string)
	if a.color != "" {
		flags["color"] = a.color
	}
	return repo.LoadSettings(r, a.environ, dir, flags)
}

func (a *app) readConfig() (*repo.Config, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	return r.Config()
}

func (a *app) openLedger() (*lineage.Ledger, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	l, err := lineage.Open(lineage.Options{
		Dir: r.Ledger(), Now: a.now, By: a.user(), Host: a.host(), PID: os.Getpid(),
	})
	if err == nil {
		a.opened = append(a.opened, l)
	}
	return l, err
}

func (a *app) openStore() (*snapshot.Store, error) { return a.openStoreWith("") }

// openStoreWith opens the store with a folder of its own for what is remembered of files; empty is that of this worktree.
func (a *app) openStoreWith(index string) (*snapshot.Store, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	settings, err := a.settings()
	if err != nil {
		return nil, err
	}
	clone, err := r.CloneID()
	if err != nil && fault.KindOf(err) != fault.Denied {
		return nil, err // a read-only clone can read without a name
	}
	jobs, _ := settings.Get("jobs")
	n, _ := strconv.Atoi(jobs) // checked by settings; 0 is one a processor
	if index == "" {
		index = r.WorkspaceIndex()
	}
	return snapshot.Open(snapshot.Options{
		Dir: r.Store(settings), Index: index, Now: a.now, Jobs: n,
		Clone: snapshot.Clone{ID: clone, Dir: r.Home, Git: r.CommonDir},
	})
}

// readFile reads a file, or stdin as -, at most one byte more than limit.
func (a *app) readFile(name string, limit int64) ([]byte, error) {
	in := a.streams.In
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	return io.ReadAll(io.LimitReader(in, limit+1))
}

func (a *app) cwd() (string, error) {
	if a.at != "" {
		return a.at, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", fault.New(fault.KindOf(err), "cannot find the current folder: %w", err)
	}
	return dir, nil
}

// user is who records say did it: the login name.
func (a *app) user() string {
	for _, key := range []string{"LOGNAME", "USER", "USERNAME"} {
		if name := os.Getenv(key); name != "" {
			return name
		}
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}

func (a *app) host() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

// shown returns a path of the repository (relative to its root, with slashes) as the user would type it here.
func (a *app) shown(rel string) string {
	r, err := a.repo()
	if err != nil {
		return rel
	}
	dir, err := a.cwd()
	if err != nil {
		return rel
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real // the root of the repository has no symbolic links either
	}
	short, err := filepath.Rel(dir, filepath.Join(r.Root, filepath.FromSlash(rel)))
	if err != nil {
		return rel
	}
	return short
}

// worktree names this worktree in records, so that @last is the newest run of this one.
func (a *app) worktree() (string, error) {
	r, err := a.repo()
	if err != nil {
		return "", err
	}
	return filepath.Base(r.WorkspaceIndex()), nil
}

// history reads runs back from the ledger.
func (a *app) history(l *lineage.Ledger) run.History {
	h := run.History{Ledger: l, Host: a.host(), Now: a.now}
	if r, err := a.repo(); err == nil {
		h.Runs, h.Jobs = runsOf(r), jobsOf(r)
	}
	return h
}
