package tracking

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/run"
	"mlx/internal/snapshot"
)

// The states of a logged model.
const (
	modelPending = "LOGGED_MODEL_PENDING"
	modelReady   = "LOGGED_MODEL_READY"
	modelFailed  = "LOGGED_MODEL_UPLOAD_FAILED"
)

// Names in the folder of a logged model that has no record yet.
const (
	modelFile = "model.json"
	filesName = "artifacts"
)

// Beginnings of the names of folders that are worked in.
const (
	againPrefix = "again-"
	copyPrefix  = "copy-"
)

// models keeps the logged models that are on their way. Each has a folder with what is known of it and its files, until all of that is
// in the ledger and the store: whoever is killed in between loses nothing, and the next one that looks goes on.
type models struct {
	locks

	mu     sync.Mutex
	looked bool // at what others left behind

	begun sync.Map // ids of those that clients of this server began
}

func (s *Server) modelDir(id string) string { return filepath.Join(s.o.Dir, "models", id) }

// model is a logged model as it is now.
func (s *Server) model(ctx context.Context, id string) (registry.LoggedModel, error) {
	m, _, err := s.modelNow(ctx, id)
	return m, err
}

// modelNow is a logged model, and whether its upload goes on: it is not in the ledger then.
func (s *Server) modelNow(ctx context.Context, id string) (m registry.LoggedModel, pending bool, err error) {
	if !modelID.MatchString(id) {
		return m, false, noModel(id)
	}
	if err := s.finishModels(ctx); err != nil {
		return m, false, err
	}
	m, err = s.pendingModel(id)
	pending = err == nil
	if errors.Is(err, fs.ErrNotExist) {
		m, _, err = s.o.Registry.LoggedModel(ctx, id)
	}
	if fault.KindOf(err) == fault.NotFound || err == nil && m.Deleted {
		err = noModel(id)
	}
	return m, pending, err
}

func noModel(id string) error {
	return failf(ResourceDoesNotExist, "Logged model with ID '%.100s' not found.", id)
}

// pendingModel reads a model that is not in the ledger. fs.ErrNotExist: it is there, or nowhere.
func (s *Server) pendingModel(id string) (registry.LoggedModel, error) {
	var m registry.LoggedModel
	b, err := os.ReadFile(filepath.Join(s.modelDir(id), modelFile))
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fault.New(fault.Integrity, "cannot read what is known of logged model %s: %w", id, err)
	}
	return m, nil
}

// newModel begins a model that nobody has sent bytes of.
func (s *Server) newModel(m registry.LoggedModel) (registry.LoggedModel, error) {
	m.ID, m.Status = newID("m-"), modelPending
	m.CreatedMS = s.o.Now().UnixMilli()
	m.UpdatedMS = m.CreatedMS
	s.models.begun.Store(m.ID, true)
	return m, s.storePending(m)
}

func (s *Server) storePending(m registry.LoggedModel) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return s.writeState(filepath.Join("models", m.ID, modelFile), b)
}

// changeModel applies a change to a model, wherever what is known of it lies.
func (s *Server) changeModel(ctx context.Context, id string, with func(*registry.LoggedModel) error) (registry.LoggedModel, error) {
	defer s.models.lock(id)()
	m, pending, err := s.modelNow(ctx, id)
	if err != nil {
		return m, err
	}
	if err := with(&m); err != nil {
		return m, err
	}
	m.UpdatedMS = s.o.Now().UnixMilli()
	switch {
	case !pending:
		return m, s.o.Registry.SetLogged(ctx, m)
	case m.Status == modelPending && !m.Deleted:
		return m, s.storePending(m)
	}
	err = s.keepModel(ctx, &m) // it changes m
	return m, err
}

// keepModel brings a model whose upload is over into the store and the ledger, tells its run, and then removes its folder.
func (s *Server) keepModel(ctx context.Context, m *registry.LoggedModel) error {
	if err := s.logModel(ctx, m, filepath.Join(s.modelDir(m.ID), filesName)); err != nil {
		return err
	}
	return s.finishModel(ctx, *m)
}

// logModel saves the files of a model, which lie in a folder, as one version and records the model.
func (s *Server) logModel(ctx context.Context, m *registry.LoggedModel, folder string) error {
	saved, ok, err := s.saveFolder(ctx, folder, m.Root)
	if err != nil {
		return err
	}
	m.Root, m.Files, m.Bytes, m.Format = object.Digest{}, 0, 0, ""
	if ok {
		defer saved.Release() //nolint:errcheck // gc would wait for it: no harm
		m.Root, m.Files, m.Bytes = saved.Root, saved.Summary.Files, saved.Summary.Bytes
		m.Format = s.describe(ctx, m.Root, ".").Format
	}
	return s.o.Registry.SetLogged(ctx, *m)
}

// saveFolder saves a folder; ok is false where it has nothing in it.
func (s *Server) saveFolder(ctx context.Context, folder string, before object.Digest) (saved snapshot.Saved, ok bool, err error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return saved, false, nil
	}
	if err != nil {
		return saved, false, err
	}
	var left run.Unkept
	saved, err = s.o.Store.Save(ctx, snapshot.SaveOptions{Path: folder, Previous: before, Once: true, Ignore: left.Ignore})
	if err == nil {
		s.trouble(left.Err())
	}
	return saved, err == nil, err
}

// describe reads the MLmodel in a folder of a version.
func (s *Server) describe(ctx context.Context, root object.Digest, dir string) mlmodel {
	tree, err := s.o.Store.FS(ctx, root)
	if err != nil {
		return mlmodel{}
	}
	f, err := tree.Open(filepath.ToSlash(filepath.Join(dir, "MLmodel")))
	if err != nil {
		return mlmodel{}
	}
	defer f.Close()
	b, err := readAtMost(f, maxMLmodel)
	if err != nil {
		return mlmodel{}
	}
	return parseMLmodel(b)
}

// finishModel tells the run of a model that is in the ledger, and forgets the folder.
func (s *Server) finishModel(ctx context.Context, m registry.LoggedModel) error {
	if m.Run != nil && !m.Deleted {
		told := run.LoggedModel{ID: m.ID, Name: m.Name, Root: m.Root, Files: m.Files, Bytes: m.Bytes, Format: m.Format}
		if err := s.tell(ctx, *m.Run, run.Entry{Models: []run.LoggedModel{told}}); err != nil {
			return err
		}
	}
	s.models.begun.Delete(m.ID)
	return os.RemoveAll(s.modelDir(m.ID))
}

// finishModels goes on with models that were brought into the ledger by a process that was killed then. It looks once.
func (s *Server) finishModels(ctx context.Context) error {
	s.models.mu.Lock()
	defer s.models.mu.Unlock()
	if s.models.looked {
		return nil
	}
	for _, id := range s.pendingIDs() {
		m, _, err := s.o.Registry.LoggedModel(ctx, id)
		if fault.KindOf(err) == fault.NotFound {
			continue // its client may still send
		}
		if err == nil {
			err = s.finishModel(ctx, m)
		}
		if err != nil {
			return err
		}
	}
	s.models.looked = true
	return nil
}

func (s *Server) pendingIDs() []string {
	entries, err := os.ReadDir(filepath.Join(s.o.Dir, "models"))
	if err != nil {
		return nil // none was ever made
	}
	var ids []string
	for _, e := range entries {
		if modelID.MatchString(e.Name()) {
			ids = append(ids, e.Name())
		}
	}
	slices.Sort(ids)
	return ids
}

// modelShelf finds the files of a logged model.
func (s *Server) modelShelf(ctx context.Context, id string) (shelf, error) {
	m, pending, err := s.modelNow(ctx, id)
	if err != nil {
		return shelf{}, err
	}
	sh := shelf{}
	if !m.Root.IsZero() {
		sh.kept = []kept{{at: ".", root: m.Root}}
	}
	if pending {
		sh.live = filepath.Join(s.modelDir(id), filesName)
	}
	return sh, nil
}

// modelBench is where files of a model are changed. Of one that is in the store, the files are brought back, and saved again before
// the client hears that its change is kept.
func (s *Server) modelBench(ctx context.Context, id string) (workbench, error) {
	m, pending, err := s.modelNow(ctx, id)
	if err != nil {
		return workbench{}, err
	}
	b := workbench{folder: filepath.Join(s.modelDir(id), filesName), done: func() error { return nil }, release: func() {}}
	if pending {
		return b, nil
	}
	b.release = s.models.lock(id)
	err = os.MkdirAll(s.o.Dir, 0o777)
	dir := filepath.Join(s.o.Dir, againPrefix+rand.Text())
	if err == nil {
		err = os.Mkdir(dir, 0o777)
	}
	if err == nil && !m.Root.IsZero() {
		_, err = s.o.Store.Checkout(ctx, snapshot.CheckoutOptions{Path: filepath.Join(dir, filesName), To: m.Root, Kind: snapshot.Directory, Force: true})
	}
	unlock := b.release
	b.release = func() { _ = os.RemoveAll(dir); unlock() }
	if err != nil {
		b.release()
		return workbench{}, err
	}
	b.folder = filepath.Join(dir, filesName)
	b.done = func() error {
		m.UpdatedMS = s.o.Now().UnixMilli()
		return s.logModel(ctx, &m, b.folder)
	}
	return b, nil
}
