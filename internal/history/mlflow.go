package history

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mlx/internal/fault"
)

// Options say where else to look.
type Options struct {
	Dir       string   // that relative paths start from
	Tmp       string   // for temporary files
	Environ   []string // of git
	Artifacts []string // folders that artifacts may be in, beside that of the store
}

// OpenMLflow opens a store of MLflow: a folder of the file store, an SQLite database, or the folder that holds one of the two.
func OpenMLflow(ctx context.Context, place string, o Options) (*History, error) {
	h, err := openMLflow(ctx, place, o)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot import mlflow:%s: %w", shownPlace(place), err)
	}
	h.Source = shownPlace(place)
	h.order()
	return h, nil
}

func openMLflow(ctx context.Context, place string, o Options) (*History, error) {
	file, err := mlflowPath(place)
	if err != nil {
		return nil, err
	}
	file = from(o.Dir, file)
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return openDatabase(ctx, file, o)
	}
	if isFileStore(file) {
		return openFileStore(ctx, file, o)
	}
	if database := filepath.Join(file, "mlflow.db"); isRegular(database) {
		return openDatabase(ctx, database, o)
	}
	if runs := filepath.Join(file, "mlruns"); isFileStore(runs) {
		return openFileStore(ctx, runs, o)
	}
	e := fault.New(fault.NotFound, "there is neither a file store nor a database in it")
	if beside := filepath.Join(filepath.Dir(filepath.Clean(file)), "mlflow.db"); isRegular(beside) {
		return nil, e.Hint("mlx import mlflow:%s   # the runs are there; this folder has only artifacts", beside)
	}
	return nil, e.Hint("mlx import mlflow:mlruns      # the folder of a file store").Hint("mlx import mlflow:mlflow.db   # a database")
}

// from is the path that a path means which is relative to a folder, unless it is absolute.
func from(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// mlflowPath is the file or folder that a tracking URI names.
func mlflowPath(place string) (string, error) {
	scheme, rest, ok := strings.Cut(place, "://")
	switch {
	case !ok:
		return strings.TrimPrefix(place, "file:"), nil
	case scheme == "sqlite":
		return strings.TrimPrefix(rest, "/"), nil // three slashes: a relative path, four: an absolute one
	case scheme == "file":
		local, _ := localPath(place)
		return filepath.FromSlash(local), nil
	case scheme == "http" || scheme == "https" || scheme == "databricks" || scheme == "uc":
		return "", fault.New(fault.Usage, "a server is not asked for its history").
			Hint("mlx import mlflow:PATH/mlflow.db   # the database or the folder mlruns, on the machine of the server")
	}
	return "", fault.New(fault.Usage, "a database of %s is not read", scheme).
		Hint("export-all --output-dir DIR   # of the Python package mlflow-export-import, with MLFLOW_TRACKING_URI set").
		Hint("import-all --input-dir DIR    # then with MLFLOW_TRACKING_URI=sqlite:///mlflow.db").
		Hint("mlx import mlflow:mlflow.db")
}

// shownPlace leaves out a password.
func shownPlace(place string) string {
	scheme, rest, ok := strings.Cut(place, "://")
	if !ok {
		return place
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = "…" + rest[at:]
	}
	return scheme + "://" + rest
}

func isRegular(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular()
}

// isFileStore says whether a folder has experiments or models in it.
func isFileStore(dir string) bool {
	for _, pattern := range []string{"*/meta.yaml", ".trash/*/meta.yaml", "models/*/meta.yaml"} {
		if found, err := filepath.Glob(filepath.Join(globQuoted(dir), pattern)); err == nil && len(found) > 0 {
			return true
		}
	}
	return false
}

func globQuoted(dir string) string {
	return strings.NewReplacer(`*`, `[*]`, `?`, `[?]`, `[`, `[[]`).Replace(dir)
}

// setStatus maps what MLflow says of the end of a run. It is the word of the client, which calls a killed one RUNNING for ever.
func (r *Run) setStatus(word string) {
	switch word {
	case "1", "RUNNING":
		r.Status, r.State, r.Cause = "RUNNING", Lost, "MLflow never heard of its end"
	case "2", "SCHEDULED":
		r.Status, r.State, r.Cause = "SCHEDULED", Lost, "MLflow never heard of its beginning"
	case "3", "FINISHED":
		r.Status, r.State = "FINISHED", Succeeded
	case "4", "FAILED":
		r.Status, r.State, r.Cause = "FAILED", Failed, "MLflow says FAILED"
	case "5", "KILLED":
		r.Status, r.State, r.Cause = "KILLED", Killed, "MLflow says KILLED"
	default:
		r.Status, r.State, r.Cause = word, Lost, "MLflow does not say how it ended"
	}
}

// setTags takes out of tags what mlx knows by another name. All of them stay tags as well.
func (r *Run) setTags() {
	if r.Name == "" {
		r.Name = r.Tags["mlflow.runName"]
	}
	if r.User == "" || r.User == "unknown" {
		if user := r.Tags["mlflow.user"]; user != "" {
			r.User = user
		}
	}
	if name := r.Tags["mlflow.source.name"]; name != "" {
		r.Command = []string{name}
	}
	r.Commit, r.Branch = commitID(r.Tags["mlflow.source.git.commit"]), r.Tags["mlflow.source.git.branch"]
	r.Remote = withoutCredentials(r.Tags["mlflow.source.git.repoURL"])
}

// commitID is a word if it is the id of a commit.
func commitID(word string) string {
	if len(word) != 40 && len(word) != 64 || strings.Trim(word, "0123456789abcdef") != "" {
		return ""
	}
	return word
}

func withoutCredentials(remote string) string {
	scheme, rest, ok := strings.Cut(remote, "://")
	if !ok {
		return remote
	}
	if at := strings.IndexByte(rest, '@'); at >= 0 && at < len(rest) && !strings.Contains(rest[:at], "/") {
		rest = rest[at+1:]
	}
	return scheme + "://" + rest
}

// msTime is a moment in milliseconds since 1970; zero for none, and for what is no time that a computer can have had.
func msTime(ms int64) time.Time {
	if ms <= 0 || ms > 4102444800_000 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// msOf is a moment as milliseconds since 1970; 0 for none.
func msOf(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixMilli()
}

// formatOf reads the framework out of the file MLmodel of a model; empty where there is none.
func formatOf(dir string) string {
	if dir == "" {
		return ""
	}
	meta, err := readYAML(filepath.Join(dir, "MLmodel"))
	if err != nil {
		return ""
	}
	flavors, _ := meta["flavors"].(map[string]any)
	best := ""
	for name := range flavors {
		if name != "python_function" && (best == "" || name < best) {
			best = name
		}
	}
	if best == "" && len(flavors) > 0 {
		best = "python_function"
	}
	return best
}

// shortJSON is a value as one line.
func shortJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) }
