package history

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"mlx/internal/fault"
)

// Limits of a file store.
const (
	maxEntries   = 1_000_000 // of a folder
	maxTextFile  = 1 << 20   // bytes of a parameter or a tag
	maxNested    = 16        // folders in which a key with slashes may lie
	metaName     = "meta.yaml"
	artifactsDir = "artifacts"
)

// fileStore is a folder mlruns: a folder an experiment, in it one a run, in that a file a parameter, tag and metric.
type fileStore struct {
	h      *History
	root   string
	places places
	runs   []fileRun
	dirs   map[string]string // of logged models, by id
	models map[string][]LoggedModel
}

type fileRun struct {
	dir        string
	experiment *fileExperiment
}

type fileExperiment struct {
	Experiment
	dir string
}

func openFileStore(ctx context.Context, dir string, o Options) (*History, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	h := &History{From: "mlflow", Logged: make(map[string]string)}
	s := &fileStore{h: h, root: root, dirs: make(map[string]string), models: make(map[string][]LoggedModel)}
	h.read = s.run
	if s.places, err = newPlaces(root, o); err != nil {
		return nil, err
	}
	for _, top := range []string{root, filepath.Join(root, ".trash")} {
		names, err := folders(top)
		if err != nil && !(absent(err) && top != root) {
			return nil, err
		}
		for _, name := range names {
			if name == "models" || name == ".trash" {
				continue
			}
			if err := s.experiment(ctx, filepath.Join(top, name), top != root); err != nil {
				return nil, err
			}
		}
	}
	return h, s.registry()
}

// folders lists the folders in a folder. Links are none.
func folders(dir string) ([]string, error) { return list(dir, true) }

func list(dir string, wantFolders bool) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(maxEntries)
	if err != nil && len(entries) > 0 {
		return nil, err
	}
	if len(entries) == maxEntries {
		return nil, fault.New(fault.Usage, "%s holds too many files", dir)
	}
	var names []string
	for _, e := range entries {
		if wantFolders && e.IsDir() || !wantFolders && e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func (s *fileStore) experiment(ctx context.Context, dir string, trash bool) error {
	meta, err := readYAML(filepath.Join(dir, metaName))
	if absent(err) {
		return nil // a folder of something else, as of artifacts
	}
	if err != nil {
		s.h.Left.Add("experiment", filepath.Base(dir), told(err))
		return nil
	}
	e := &fileExperiment{Experiment{ID: filepath.Base(dir), Name: textOf(meta["name"]), MS: numberOf(meta["creation_time"]),
		Deleted: trash || textOf(meta["lifecycle_stage"]) == "deleted"}, dir}
	if e.Name == "" {
		e.Name = e.ID
	}
	if e.Tags, err = s.texts(filepath.Join(dir, "tags")); err != nil {
		return err
	}
	s.h.Experiments = append(s.h.Experiments, e.Experiment)
	names, err := folders(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch name {
		case "tags", "datasets", artifactsDir:
		case "traces":
			s.traces(filepath.Join(dir, name))
		case "models":
			err = s.loggedModels(filepath.Join(dir, name), e)
		default:
			err = s.list(filepath.Join(dir, name), e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *fileStore) traces(dir string) {
	if names, err := folders(dir); err == nil && len(names) > 0 {
		for range names {
			s.h.Left.Add("traces", filepath.Base(filepath.Dir(dir)), "mlx does not import them")
		}
	}
}

// list notes a run. Its time is in its meta.yaml, which is read again when it is wanted.
func (s *fileStore) list(dir string, e *fileExperiment) error {
	meta, err := readYAML(filepath.Join(dir, metaName))
	if absent(err) {
		return nil
	}
	if err != nil {
		s.h.Left.Add("run", filepath.Base(dir), told(err))
		return nil
	}
	if len(s.runs) == maxRuns {
		return fault.New(fault.Usage, "it has more than %d runs", maxRuns)
	}
	ref := Ref{ID: filepath.Base(dir), MS: numberOf(meta["start_time"]), at: len(s.runs)}
	parent, err := readSmall(filepath.Join(dir, "tags", "mlflow.parentRunId"), maxTextFile)
	if err == nil {
		ref.Parent = oneLine(string(parent))
	}
	s.h.Runs = append(s.h.Runs, ref)
	s.runs = append(s.runs, fileRun{dir, e})
	return nil
}

// told is an error without the words that its caller says anyway.
func told(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Op + " " + filepath.Base(path.Path) + ": " + path.Err.Error()
	}
	return err.Error()
}

// texts reads a folder in which each file holds one text. The name of a file is the key; a key with slashes is in folders.
func (s *fileStore) texts(dir string) (map[string]string, error) {
	all := make(map[string]string)
	err := walkKeys(dir, func(key, file string) error {
		b, err := readSmall(file, maxTextFile)
		if err != nil {
			s.h.Left.Add(filepath.Base(dir), key, told(err))
			return nil
		}
		all[key] = oneLine(strings.ToValidUTF8(string(b), "\ufffd"))
		return nil
	})
	return all, err
}

// oneLine drops the end of a single line, which MLflow wrote behind each value before 1.0.
func oneLine(s string) string {
	if strings.IndexByte(s, '\n') == len(s)-1 {
		return strings.TrimSuffix(s, "\n")
	}
	return s
}

// walkKeys visits the files of a folder of keys. A folder that is not there holds none.
func walkKeys(dir string, visit func(key, file string) error) error {
	return walkKeysIn(dir, "", 0, visit)
}

func walkKeysIn(dir, prefix string, depth int, visit func(key, file string) error) error {
	files, err := list(dir, false)
	if absent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range files {
		if !utf8.ValidString(name) {
			continue
		}
		if err := visit(prefix+name, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	inner, err := folders(dir)
	if err != nil || depth == maxNested {
		return err
	}
	for _, name := range inner {
		if err := walkKeysIn(filepath.Join(dir, name), prefix+name+"/", depth+1, visit); err != nil {
			return err
		}
	}
	return nil
}
