package tracking

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/run"
	"mlx/internal/snapshot"
)

// Kinds of registration beside those of a snapshot.
const (
	kindPrompt    = "prompt"
	kindElsewhere = "elsewhere" // the bytes are somewhere that mlx does not look after
)

// Tags that make a registered model a prompt.
const (
	promptTag  = "mlflow.prompt.is_prompt"
	promptText = "mlflow.prompt.text"
)

// sourced is what a source of a version turned out to be. release lets gc have it; it may always be called.
type sourced struct {
	registry.Registration
	release func()
}

// source finds the bytes that a client wants to register.
func (s *Server) source(ctx context.Context, in aboutVersion) (sourced, error) {
	out := sourced{release: func() {}}
	if in.Source == "" {
		return out, missing("source")
	}
	if in.Run != "" {
		id, err := s.digestOf(ctx, in.Run)
		if err != nil {
			return out, err
		}
		out.Run = &id
	}
	for _, tag := range in.Tags {
		if tag.Key == promptTag && strings.EqualFold(tag.Value, "true") {
			out.Kind = kindPrompt
		}
		if tag.Key == promptText {
			out.Digest = object.Sum([]byte(tag.Value))
		}
	}
	if out.Kind == kindPrompt {
		return out, nil
	}
	out.Digest = object.Digest{}
	u, err := url.Parse(in.Source)
	if err != nil || !sound(in.Source) {
		return out, invalid("Invalid model version source: '%.1000s'. If supplying a source as an http, https, local file path, "+
			"ftp, objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path references present. "+
			"Please provide an absolute path.", in.Source)
	}
	switch u.Scheme {
	case "models":
		return out, s.sourceModels(ctx, in, strings.TrimPrefix(in.Source, "models:"), &out)
	case "runs":
		return out, s.sourceRun(ctx, in, strings.TrimPrefix(in.Source, "runs:"), &out)
	case "mlflow-artifacts":
		at, ok := parsePlace(u.Path)
		if !ok {
			return out, mismatch(in, "run_id")
		}
		return out, s.sourcePlace(ctx, in, at, &out)
	case "", "file":
		return out, invalid("Invalid model version source: '%.1000s'. To use a local path as a model version source, the run_id request "+
			"parameter has to be specified and the local path has to be contained within the artifact directory of the run specified by the run_id. "+
			"Register files of this machine with: mlx model register %s PATH", in.Source, in.Name)
	}
	if (u.Scheme == "http" || u.Scheme == "https") && strings.Contains(u.Path, artifactRoots()[0]+"/") {
		_, p, _ := strings.Cut(u.Path, artifactRoots()[0]+"/")
		if at, ok := parsePlace(p); ok {
			return out, s.sourcePlace(ctx, in, at, &out)
		}
	}
	out.Kind = kindElsewhere
	return out, nil
}

// sound refuses sources that climb out of somewhere, however often they are encoded.
func sound(source string) bool {
	return throughout(source, func(s string) bool {
		return !strings.ContainsAny(s, "\x00\\") && !slices.Contains(strings.Split(s, "/"), "..")
	})
}

func mismatch(in aboutVersion, parameter string) error {
	return invalid("Invalid model version source: '%.1000s'. The %s request parameter must identify the resource that contains the source.",
		in.Source, parameter)
}

// sourceModels reads models:/m-ID, models:/NAME/VERSION and models:/NAME@ALIAS.
func (s *Server) sourceModels(ctx context.Context, in aboutVersion, p string, out *sourced) error {
	p = strings.TrimPrefix(p, "/")
	if modelID.MatchString(p) {
		return s.sourcePlace(ctx, in, place{of: ofModel, id: p, rel: "."}, out)
	}
	name, selector, ok := strings.Cut(p, "@")
	if !ok {
		name, selector, _ = strings.Cut(p, "/")
	}
	m, err := s.registered(ctx, name)
	if err != nil {
		return err
	}
	v, err := m.Pick(strings.ToLower(selector))
	if err != nil && ok {
		v, err = m.Pick(selector)
	}
	if err != nil {
		return invalid("Invalid model version source: '%.1000s'. %v", in.Source, err)
	}
	run := out.Run
	tags := out.Tags
	out.Registration = v.Registration
	out.From = []registry.Parent{{Model: v.Model, Version: v.Version, Digest: v.Digest, Record: v.Record}}
	out.Version, out.Message, out.Tags = 0, "", tags
	if run != nil {
		out.Run = run
	}
	return nil
}

// sourceRun reads runs:/RUN/PATH: files that a run logged, or else the model that it logged under that name.
func (s *Server) sourceRun(ctx context.Context, in aboutVersion, p string, out *sourced) error {
	id, rel, _ := strings.Cut(strings.TrimPrefix(p, "/"), "/")
	if !runID.MatchString(id) {
		return mismatch(in, "run_id")
	}
	return s.sourcePlace(ctx, in, place{of: ofRun, id: id, rel: path.Clean("./" + rel)}, out)
}

// sourcePlace registers what lies at a place of this endpoint.
func (s *Server) sourcePlace(ctx context.Context, in aboutVersion, at place, out *sourced) error {
	switch at.of {
	case ofModel:
		if in.Model != "" && in.Model != at.id {
			return mismatch(in, "model_id")
		}
		m, err := s.model(ctx, at.id)
		if err != nil {
			return err
		}
		if out.Run != nil && m.Run != nil && *out.Run != *m.Run {
			return mismatch(in, "run_id")
		}
		out.Logged = m.ID
		if out.Run == nil {
			out.Run = m.Run
		}
	case ofRun:
		if in.Run != "" && in.Run != at.id || in.Model != "" {
			return mismatch(in, "run_id")
		}
		id, err := s.digestOf(ctx, at.id)
		if err != nil {
			return err
		}
		out.Run = &id
	case ofVersion, ofTrace:
		return mismatch(in, "run_id")
	}
	err := s.take(ctx, at, out)
	if errors.Is(err, fs.ErrNotExist) && at.of == ofRun {
		var ok bool
		if ok, err = s.takeNamed(ctx, at, out); ok || err != nil {
			return err
		}
	}
	if errors.Is(err, fs.ErrNotExist) || err == nil && out.Root.IsZero() {
		out.Kind = kindElsewhere // MLflow takes a source that is not there; so the version has no bytes, and says so
		return nil
	}
	return err
}

// takeNamed takes the model that a run logged under a name, the newest where there are several.
func (s *Server) takeNamed(ctx context.Context, at place, out *sourced) (bool, error) {
	all, err := s.modelsOf(ctx, "", out.Run)
	if err != nil {
		return false, err
	}
	var newest *registry.LoggedModel
	for _, m := range all {
		if m.Name == at.rel && (newest == nil || m.CreatedMS >= newest.CreatedMS) {
			newest = &m
		}
	}
	if newest == nil {
		return false, nil
	}
	out.Logged = newest.ID
	return true, s.take(ctx, place{of: ofModel, id: newest.ID, rel: "."}, out)
}

// take makes a snapshot of what lies at a place, or finds the one that has it already.
func (s *Server) take(ctx context.Context, at place, out *sourced) error {
	sh, err := s.shelf(ctx, at)
	if err != nil {
		return err
	}
	if sh.live != "" {
		if err = s.takeLive(ctx, sh.live, at.rel, out); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, k := range sh.kept {
		if err = s.takeKept(ctx, k, at.rel, out); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return fs.ErrNotExist
}

func (s *Server) takeLive(ctx context.Context, folder, rel string, out *sourced) error {
	abs := filepath.Join(folder, filepath.FromSlash(rel))
	if _, err := os.Lstat(abs); err != nil {
		return err
	}
	var left run.Unkept // its run or its model tells of that
	saved, err := s.o.Store.Save(ctx, snapshot.SaveOptions{Path: abs, Once: true, Ignore: left.Ignore})
	if err != nil {
		return err
	}
	before := out.release
	out.release = func() { before(); _ = saved.Release() } // gc would wait for it: no harm
	return s.fill(ctx, saved.Root, saved.Summary, path.Base(rel), out)
}

// takeKept finds a folder or a file in a version. A file becomes a version of its own.
func (s *Server) takeKept(ctx context.Context, k kept, rel string, out *sourced) error {
	inside, below := within(rel, k.at)
	if !inside {
		return fs.ErrNotExist
	}
	if k.file || below == "." {
		sum, err := s.o.Store.Stat(ctx, k.root)
		if err != nil {
			return missingBytes(err)
		}
		return s.fill(ctx, k.root, sum, path.Base(rel), out)
	}
	tree, err := s.o.Store.FS(ctx, k.root)
	if err != nil {
		return missingBytes(err)
	}
	info, err := fs.Stat(tree, below)
	if err != nil {
		return err
	}
	if info.IsDir() {
		root, err := s.o.Store.Folder(ctx, k.root, below)
		if err != nil {
			return err
		}
		sum, err := s.o.Store.Stat(ctx, root)
		if err != nil {
			return err
		}
		return s.fill(ctx, root, sum, path.Base(rel), out)
	}
	return s.takeCopy(ctx, tree, below, out)
}

// takeCopy makes a version of one file of another version.
func (s *Server) takeCopy(ctx context.Context, tree fs.FS, name string, out *sourced) error {
	f, err := tree.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	dir := filepath.Join(s.o.Dir, copyPrefix+rand.Text(), filesName)
	defer os.RemoveAll(filepath.Dir(dir)) // the copy is in the store, or nowhere
	if _, err := putFile(dir, path.Base(name), f, -1); err != nil {
		return err
	}
	return s.takeLive(ctx, dir, path.Base(name), out)
}

// fill describes a version in the store as a registration.
func (s *Server) fill(ctx context.Context, root object.Digest, sum snapshot.Summary, name string, out *sourced) error {
	out.Root, out.Digest, out.Kind, out.Files, out.Bytes = root, root, string(sum.Kind), sum.Files, sum.Bytes
	if name != "." {
		out.Path = name
	}
	if sum.Kind == snapshot.File {
		k := kept{root: root, file: true}
		_, info, err := k.entry(ctx, s.o.Store, ".")
		if err != nil {
			return err
		}
		out.Digest, _ = info.Sys().(object.Digest)
		out.Path = info.Name()
		return nil
	}
	m := s.describe(ctx, root, ".")
	out.Format, out.Signature = m.Format, m.Signature
	return nil
}

// parseHex reads the digest of a record.
func parseHex(s string) (object.Digest, error) { return object.ParseDigest("sha256:" + s) }
