package tracking

import (
	"context"
	"errors"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"mlx/internal/object"
)

// artifactRoots are where bytes are sent and fetched. These calls go past the mux, which would clean their paths and send clients
// elsewhere.
func artifactRoots() []string {
	return []string{"/api/2.0/mlflow-artifacts/artifacts", "/ajax-api/2.0/mlflow-artifacts/artifacts"}
}

// bytes answers a call that carries bytes. false: it is none.
func (s *Server) bytes(w http.ResponseWriter, r *http.Request) bool {
	var err error
	escaped := r.URL.EscapedPath()
	switch escaped {
	case "/get-artifact":
		err = s.getArtifact(w, r)
	case "/model-versions/get-artifact":
		err = s.getVersionArtifact(w, r)
	default:
		rest, ok := "", false
		for _, root := range artifactRoots() {
			if rest, ok = strings.CutPrefix(escaped, root); ok {
				break
			}
		}
		if !ok || rest != "" && rest[0] != '/' {
			return false
		}
		err = s.artifacts(w, r, strings.TrimPrefix(rest, "/"))
	}
	if err != nil {
		writeError(w, err)
	}
	return true
}

func (s *Server) artifacts(w http.ResponseWriter, r *http.Request, escaped string) error {
	if escaped == "" && r.Method == http.MethodGet {
		return s.listPlace(w, r)
	}
	p, err := safePath(escaped)
	if err != nil {
		return err
	}
	at, ok := parsePlace(p)
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		if !ok {
			return noArtifact(p)
		}
		return s.send(w, r, at, p)
	case http.MethodPut, http.MethodDelete:
		if !ok {
			return failf(ResourceDoesNotExist, "No run and no model has artifacts at '%s'", p)
		}
		if r.Method == http.MethodDelete {
			if err := s.remove(r.Context(), at); err != nil {
				return err
			}
			write(w, http.StatusOK, nil)
			return nil
		}
		return s.receive(w, r, at)
	}
	return failf(EndpointNotFound, "No route for %s %s", r.Method, r.URL.Path)
}

func noArtifact(p string) error { return failf(ResourceDoesNotExist, "No such artifact: '%s'", p) }

// listPlace answers which files are in the folder that the query names.
func (s *Server) listPlace(w http.ResponseWriter, r *http.Request) error {
	p := r.URL.Query().Get("path")
	if err := checkPath(p); err != nil {
		return err
	}
	at, ok := parsePlace(p)
	if !ok {
		write(w, http.StatusOK, nil)
		return nil
	}
	files, err := s.listAt(r.Context(), at)
	if err != nil {
		return err
	}
	write(w, http.StatusOK, listing{Files: files})
	return nil
}

// listing is the answer to a call for a list.
type listing struct {
	Root  string   `json:"root_uri,omitempty"`
	Files []listed `json:"files,omitempty"`
}

func (s *Server) listAt(ctx context.Context, at place) ([]listed, error) {
	sh, err := s.shelf(ctx, at)
	if err != nil {
		return nil, err
	}
	files, err := sh.list(ctx, s.o.Store, at.rel)
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	return files, pathTrouble(err)
}

// send streams a file. Its ETag is its SHA-256, so that a client can prove what it got.
func (s *Server) send(w http.ResponseWriter, r *http.Request, at place, named string) error {
	sh, err := s.shelf(r.Context(), at)
	if err != nil {
		return err
	}
	o, err := sh.open(r.Context(), s.o.Store, at.rel)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return noArtifact(named)
	}
	if err != nil {
		return pathTrouble(err)
	}
	defer o.Close()
	digest, err := s.sums.of(o)
	if err != nil {
		return err
	}
	name := path.Base(at.rel)
	kind := mime.TypeByExtension(path.Ext(name))
	if kind == "" {
		kind = "application/octet-stream"
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("ETag", strconv.Quote(digest.Hex()))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	http.ServeContent(w, r, "", o.time, o)
	return nil
}

// receive takes an upload.
func (s *Server) receive(w http.ResponseWriter, r *http.Request, at place) error {
	b, err := s.bench(r.Context(), at)
	if err != nil {
		return err
	}
	defer b.release()
	digest, err := putFile(b.folder, at.rel, r.Body, r.ContentLength)
	if err != nil {
		return err
	}
	s.sums.remember(b.folder, at.rel, digest)
	if err := b.done(); err != nil {
		return err
	}
	w.Header().Set("ETag", strconv.Quote(digest.Hex()))
	w.WriteHeader(http.StatusOK)
	return nil
}

func (s *Server) remove(ctx context.Context, at place) error {
	b, err := s.bench(ctx, at)
	if err != nil {
		return err
	}
	defer b.release()
	if err := removePath(b.folder, at.rel); err != nil {
		return err
	}
	return b.done()
}

// workbench is a folder on disk in which an owner's artifacts are changed.
type workbench struct {
	folder  string
	done    func() error // after a change, before the client is told
	release func()       // in any case
}

// shelf finds the artifacts of an owner. Versions that are not here are fetched.
func (s *Server) shelf(ctx context.Context, at place) (shelf, error) {
	found, err := s.shelfOf(ctx, at)
	for _, k := range found.kept {
		if err == nil {
			err = s.here(ctx, k.root)
		}
	}
	return found, err
}

// here makes sure that a version is in the store, where that is possible.
func (s *Server) here(ctx context.Context, root object.Digest) error {
	if _, known := s.present.Load(root); known || s.o.Fetch == nil {
		return nil // reading it says what is missing
	}
	here, err := s.o.Store.Has(ctx, root)
	if err != nil {
		return err
	}
	if here {
		s.present.Store(root, true)
		return nil
	}
	if err := s.o.Fetch(ctx, root); err != nil {
		return missingBytes(err)
	}
	s.present.Store(root, true)
	return nil
}

func (s *Server) shelfOf(ctx context.Context, at place) (shelf, error) {
	switch at.of {
	case ofModel:
		return s.modelShelf(ctx, at.id)
	case ofVersion:
		return s.versionShelf(ctx, at.id)
	case ofTrace:
		return shelf{live: filepath.Join(s.traceDir(at.id), "artifacts")}, nil
	default:
		return s.runShelf(ctx, at.id)
	}
}

// bench finds where the artifacts of an owner can be changed.
func (s *Server) bench(ctx context.Context, at place) (workbench, error) {
	none := func() {}
	switch at.of {
	case ofModel:
		return s.modelBench(ctx, at.id)
	case ofVersion:
		return workbench{}, failf(PermissionDenied, "The bytes of a registered version never change: register another version")
	case ofTrace:
		if _, err := s.trace(at.id); err != nil {
			return workbench{}, err
		}
		return workbench{filepath.Join(s.traceDir(at.id), "artifacts"), func() error { return nil }, none}, nil
	default:
		return s.runBench(ctx, at.id)
	}
}

// artifactRoutes are the calls about artifacts that carry JSON.
func artifactRoutes() []route {
	return []route{
		{"GET", "artifacts/list", listRun},
		{"GET", "logged-models/{model_id}/artifacts/directories", listModel},
	}
}

func listRun(s *Server, c *call) (any, error) {
	id := c.query.Get("run_id")
	if id == "" {
		id = c.query.Get("run_uuid")
	}
	body, _, err := s.bodyOf(c.ctx, id)
	if err != nil {
		return nil, err
	}
	at, _ := s.experiments.at(body.Experiment, body.StartedAt)
	return s.listBelow(c, place{of: ofRun, id: id}, "path", at.artifacts(id))
}

func listModel(s *Server, c *call) (any, error) {
	m, err := s.model(c.ctx, c.path("model_id"))
	if err != nil {
		return nil, err
	}
	return s.listBelow(c, place{of: ofModel, id: m.ID}, "artifact_directory_path", modelURI(m.Experiment, m.ID))
}

// listBelow lists a folder that a parameter names. Unlike the lists of bytes, its paths start at the owner's folder.
func (s *Server) listBelow(c *call, at place, parameter, uri string) (any, error) {
	dir := c.query.Get(parameter)
	if err := checkPath(dir); err != nil {
		return nil, err
	}
	at.rel = path.Clean("./" + dir)
	files, err := s.listAt(c.ctx, at)
	if err != nil {
		return nil, err
	}
	for i := range files {
		files[i].Path = path.Join(at.rel, files[i].Path)
	}
	return listing{Root: uri, Files: files}, nil
}

// getArtifact sends an artifact that the query names: /get-artifact?run_id=…&path=….
func (s *Server) getArtifact(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	at := place{of: ofRun, id: q.Get("run_id")}
	if at.id == "" {
		at.id = q.Get("run_uuid")
	}
	if model := q.Get("model_id"); model != "" {
		at = place{of: ofModel, id: model}
	}
	return s.sendNamed(w, r, at)
}

func (s *Server) getVersionArtifact(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	v, err := s.version(r.Context(), q.Get("name"), q.Get("version"))
	if err != nil {
		return err
	}
	return s.sendNamed(w, r, place{of: ofVersion, id: v.Record.Hex()})
}

func (s *Server) sendNamed(w http.ResponseWriter, r *http.Request, at place) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return failf(EndpointNotFound, "No route for %s %s", r.Method, r.URL.Path)
	}
	named := r.URL.Query().Get("path")
	if named == "" {
		return invalid("Missing value for required parameter 'path'.")
	}
	if err := checkPath(named); err != nil {
		return err
	}
	at.rel = path.Clean("./" + named)
	return s.send(w, r, at, named)
}
