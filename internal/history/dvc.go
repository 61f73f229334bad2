package history

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"mlx/internal/fault"
)

// dvcStore is a git repository in which dvc keeps what its stages made: each commit that changed dvc.lock is a run, and each
// experiment, which is a commit under refs/exps.
type dvcStore struct {
	h     *History
	git   *gitRepo
	tmp   string
	cache []string // folders that the bytes of outputs may be in
	runs  []dvcCommit
	stage string // folder of the outputs of the run that is read; empty: none
}

type dvcCommit struct {
	id, author, subject string
	experiment          string // its name; empty: it is an ordinary commit
	at                  int64  // seconds since 1970
	locks               []string
}

// OpenDVC opens the history of a repository of dvc, a folder. Without commits of dvc there are no runs in it.
func OpenDVC(ctx context.Context, place string, o Options) (*History, error) {
	dir := from(o.Dir, place)
	h := &History{From: "dvc", Source: shownPlace(place)}
	s := &dvcStore{h: h, git: &gitRepo{dir: dir, environ: o.Environ}, tmp: o.Tmp}
	h.read = s.run
	h.closers = append(h.closers, s.git.close, s.clear)
	if err := s.load(ctx, dir, place); err != nil {
		h.Close() //nolint:errcheck // it was only read
		return nil, fault.New(fault.KindOf(err), "cannot import the history of dvc:%s: %w", shownPlace(place), err)
	}
	h.order()
	return h, nil
}

func (s *dvcStore) load(ctx context.Context, dir, place string) error {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		var err error
		if s.git.dir, err = os.MkdirTemp(s.tmp, "clone-*"); err != nil {
			return err
		}
		clone := s.git.dir
		s.h.closers = append(s.h.closers, func() error { return os.RemoveAll(clone) })
		if _, err := s.git.output(ctx, "clone", "--quiet", "--mirror", "--template=", "--", place, clone); err != nil {
			return err
		}
	} else if _, err := s.git.output(ctx, "rev-parse", "--git-dir"); err != nil {
		return nil // a folder without git has no history
	} else {
		s.findCache(dir)
	}
	if err := s.commits(ctx); err != nil {
		return err
	}
	return s.experiments(ctx)
}

// findCache finds the cache of dvc that its configuration names, beside the usual one.
func (s *dvcStore) findCache(dir string) {
	own := filepath.Join(dir, ".dvc", "cache")
	for _, name := range []string{"config", "config.local"} {
		b, err := readSmall(filepath.Join(dir, ".dvc", name), maxMeta)
		if err != nil {
			continue
		}
		section := ""
		for line := range strings.Lines(string(b)) {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "[") {
				section = strings.Trim(line, "[]'\" ")
			}
			if key, value, ok := strings.Cut(line, "="); ok && section == "cache" && strings.TrimSpace(key) == "dir" {
				own = from(filepath.Join(dir, ".dvc"), strings.TrimSpace(value))
			}
		}
	}
	s.cache = []string{filepath.Join(own, "files", "md5"), own}
}

const logForm = "--format=%H%x00%ct%x00%an%x00%s"

// commits lists those of branches and tags that changed a dvc.lock.
func (s *dvcStore) commits(ctx context.Context) error {
	out, err := s.git.output(ctx, "log", "--branches", "--remotes", "--tags", "--no-ext-diff", "--no-textconv", "--diff-filter=AM", logForm, "--", ":(glob)**/dvc.lock")
	if err != nil {
		return err
	}
	for line := range bytes.Lines(out) {
		if c, ok := commitOf(strings.TrimSuffix(string(line), "\n")); ok {
			if err := s.add(ctx, c); err != nil {
				return err
			}
		}
	}
	return nil
}

func commitOf(line string) (dvcCommit, bool) {
	parts := strings.SplitN(strings.ToValidUTF8(line, "\ufffd"), "\x00", 4)
	if len(parts) != 4 || commitID(parts[0]) == "" {
		return dvcCommit{}, false
	}
	at, err := strconv.ParseInt(parts[1], 10, 64)
	return dvcCommit{id: parts[0], at: at, author: parts[2], subject: parts[3]}, err == nil
}

// experiments lists the commits under refs/exps, whose names end in that of the experiment.
func (s *dvcStore) experiments(ctx context.Context) error {
	out, err := s.git.output(ctx, "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps")
	if err != nil {
		return err
	}
	for line := range bytes.Lines(out) {
		id, ref, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		parts := strings.Split(ref, "/")
		if len(parts) < 5 || len(parts[2]) != 2 || commitID(id) == "" { // others hold what dvc is busy with
			continue
		}
		told, err := s.git.output(ctx, "log", "-1", "--no-ext-diff", logForm, id)
		if err != nil {
			return err
		}
		if c, ok := commitOf(strings.TrimSpace(string(told))); ok {
			c.experiment = strings.Join(parts[4:], "/")
			if err := s.add(ctx, c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *dvcStore) add(ctx context.Context, c dvcCommit) error {
	out, err := s.git.output(ctx, "ls-tree", "-r", "-z", "--name-only", "--full-tree", c.id)
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(string(out), "\x00") {
		if path.Base(name) == "dvc.lock" || c.experiment != "" && path.Base(name) == "dvc.yaml" && !strings.Contains(string(out), "dvc.lock") {
			c.locks = append(c.locks, path.Dir(name))
		}
	}
	if len(c.locks) == 0 {
		return nil
	}
	if len(s.runs) == maxRuns {
		return fault.New(fault.Usage, "it has more than %d runs", maxRuns)
	}
	s.h.Runs = append(s.h.Runs, Ref{ID: c.id, MS: c.at * 1000, at: len(s.runs)})
	s.runs = append(s.runs, c)
	return nil
}

// run reads what a commit says of the stages that made it. Everything in it is one run: dvc does not say which stages ran for it.
func (s *dvcStore) run(ctx context.Context, ref Ref) (*Run, error) {
	if err := s.clear(); err != nil {
		return nil, err
	}
	c := s.runs[ref.at]
	r := &Run{ID: c.id, Name: cmp.Or(c.experiment, c.subject), State: Succeeded, User: c.author, Commit: c.id, Command: []string{"dvc", "repro"},
		Params: map[string]string{}, Tags: map[string]string{"dvc.commit": c.id, "dvc.subject": c.subject}, Ended: time.Unix(max(0, c.at), 0).UTC()}
	if c.experiment != "" {
		r.Command = []string{"dvc", "exp", "run"}
		r.Tags["dvc.experiment"] = c.experiment
	}
	m := &dvcMetrics{store: s, commit: c.id, at: c.at * 1000, final: map[string]float64{}}
	for _, dir := range c.locks {
		if err := s.lock(ctx, c.id, dir, r); err != nil {
			return nil, err
		}
		if err := m.find(ctx, dir); err != nil {
			return nil, err
		}
	}
	if err := m.live(ctx); err != nil {
		return nil, err
	}
	r.Points = m.points()
	return r, nil
}

// lock reads a dvc.lock: commands, parameters, sums of what was read, and what was made.
func (s *dvcStore) lock(ctx context.Context, commit, dir string, r *Run) error {
	b, err := s.git.blob(ctx, commit, path.Join(dir, "dvc.lock"))
	if err != nil || b == nil {
		return err
	}
	doc, err := parseYAML(b)
	if err != nil {
		s.h.Left.Add("dvc.lock", commit, told(err))
		return nil
	}
	stages, _ := doc["stages"].(map[string]any)
	if stages == nil && doc["schema"] == nil {
		stages = doc // as the first version wrote it
	}
	for _, name := range slices.Sorted(maps.Keys(stages)) {
		stage, _ := stages[name].(map[string]any)
		r.Tags["dvc.stage."+path.Join(dir, name)] = textOf(stage["cmd"])
		params, _ := stage["params"].(map[string]any)
		for file, values := range params {
			flat := map[string]string{}
			group, _ := values.(map[string]any)
			for key, v := range group {
				flattenTexts(flat, key, v, 0)
			}
			for key, v := range flat {
				if old, known := r.Params[key]; known && old != v {
					key = file + ":" + key
				}
				r.Params[key] = v
			}
		}
		for _, dep := range lists(stage["deps"]) {
			if sum := textOf(dep["md5"]); sum != "" {
				r.Tags["dvc.dep."+path.Join(dir, textOf(dep["path"]))] = sum
			}
		}
		for _, out := range lists(stage["outs"]) {
			if err := s.out(ctx, commit, path.Join(dir, textOf(out["path"])), textOf(out["md5"]), r); err != nil {
				return err
			}
		}
	}
	return nil
}

// lists are the mappings in a list.
func lists(v any) []map[string]any {
	var all []map[string]any
	list, _ := v.([]any)
	for _, one := range list {
		if m, ok := one.(map[string]any); ok {
			all = append(all, m)
		}
	}
	return all
}
