package main

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/registry"
)

// signatureView is part of verify/v1: what an OpenSSF signature of a model says.
type signatureView struct {
	File        string           `json:"file"` // of the signature
	Of          string           `json:"of"`   // what was compared with it, as typed
	Name        *string          `json:"name"` // that the signer gave the model
	Files       int              `json:"files"`
	Holds       bool             `json:"holds"`  // the signature itself is good
	Reason      *string          `json:"reason"` // why not
	Differences []differenceView `json:"differences"`
}

type differenceView struct {
	Path string `json:"path"` // inside the model; . is a model of one file
	What string `json:"what"` // added, removed, changed, or in words what it is
}

// maxNamed is how many differing files are named to a person.
const maxNamed = 20

// verifySignature compares bytes with an OpenSSF signature of them: files as they lie here for a path, else what a version keeps.
func (a *app) verifySignature(ctx context.Context, v *verifyView, o verifyOptions) error {
	key, err := a.readFile(o.key, maxKeyFile)
	if err == nil && len(key) > maxKeyFile {
		err = fault.New(fault.Usage, "it is too long")
	}
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot read the key: %w", err)
	}
	by, err := registry.ReadModelTrust(key)
	if err != nil {
		return err
	}
	text, err := a.readFile(o.signature, registry.MaxModelSignature)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot read the signature: %w", err)
	}
	m, closeModel, err := a.modelToVerify(ctx, o.refs[0], o.signature)
	if err != nil {
		return err
	}
	defer closeModel()
	check, err := registry.CheckModel(ctx, text, m, by)
	if err != nil {
		return err
	}
	s := &signatureView{File: o.signature, Of: o.refs[0], Name: some(check.Name), Files: check.Files, Holds: check.Reason == "", Reason: some(check.Reason),
		Differences: []differenceView{}}
	for _, d := range check.Differences {
		s.Differences = append(s.Differences, differenceView{d.Name, d.What})
	}
	v.Signature, v.Clean = s, check.Holds()
	return nil
}

// modelToVerify opens what a reference names: of a path the files that lie there, whether mlx knows them or not.
func (a *app) modelToVerify(ctx context.Context, ref, signature string) (registry.ModelBytes, func(), error) {
	none := func() {}
	place := strings.TrimPrefix(ref, refPath+":")
	if info, err := os.Stat(place); err == nil && (isPlainPath(ref) || place != ref || !a.meansMore(ctx, ref)) {
		m := registry.ModelBytes{Name: filepath.Base(place)}
		dir := place
		if !info.IsDir() {
			m.File, dir = filepath.Base(place), filepath.Dir(place)
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			return m, none, fault.New(fault.KindOf(err), "cannot read %s: %w", place, err)
		}
		m.FS = root.FS()
		if rel, err := filepath.Rel(dir, signature); err == nil && fs.ValidPath(filepath.ToSlash(rel)) {
			m.Skip = filepath.ToSlash(rel) // a signature in the folder is no part of the model
		}
		return m, func() { _ = root.Close() }, nil
	}
	b, err := a.exactly(ctx, ref)
	if err != nil {
		return registry.ModelBytes{}, none, err
	}
	m, err := a.model(ctx, b)
	return m, none, err
}

// meansMore reports whether a word that is the name of a file means something else as well, which then counts.
func (a *app) meansMore(ctx context.Context, ref string) bool {
	t, err := a.resolve(ctx, ref)
	return err == nil && t.Kind != refPath
}

func modelSignatureText(s *signatureView, t *cli.Text) {
	if s.Reason != nil {
		t.Line(cli.Word(cli.RoleFail, "NOT SIGNED"), cli.Str(s.Of), cli.Str(*s.Reason))
		return
	}
	for _, d := range s.Differences[:min(len(s.Differences), maxNamed)] {
		t.Line(cli.Word(cli.RoleFail, "differs"), cli.Path(d.Path), cli.Str(d.What))
	}
	if more := len(s.Differences) - maxNamed; more > 0 {
		t.Line(cli.Word(cli.RoleFail, "differs"), cli.Num(int64(more), "more file"))
	}
	word := cli.Word(cli.RolePass, "signed")
	if len(s.Differences) > 0 {
		word = cli.Word(cli.RoleFail, "DIFFERS")
	}
	t.Line(word, cli.Str(s.Of), cli.Num(int64(s.Files), "file"))
}
