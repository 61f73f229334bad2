package main

import (
	"context"
	"io/fs"
	"path"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/image"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/run"
)

// defaultPlatform is what images are for that nobody says anything of: the same on every machine.
const defaultPlatform = "linux/amd64"

// recipeOf is what a package is made of beside the version.
type recipeOf struct {
	form     image.Form
	base     string
	platform string
	code     string // REV:PATH
	command  []string
}

// packageRecipe is a recipe and what belongs to its record.
type packageRecipe struct {
	image.Recipe
	key    object.Digest
	code   *image.Code
	inputs []image.Input
	run    string
}

// recipe collects what decides the bytes of a package. What it opens, the function gives back.
func (a *app) recipe(ctx context.Context, v *registry.Version, of recipeOf) (r packageRecipe, closing func() error, err error) {
	closing = func() error { return nil }
	r.Recipe = image.Recipe{Form: of.form, Name: v.Model, Version: "v" + numberWord(v.Version), Command: of.command, Format: v.Format,
		Licence: v.Tags["licence"]}
	if err := a.packageLabels(ctx, v, &r); err != nil {
		return r, closing, err
	}
	if of.form == image.Image {
		word := of.platform
		if word == "" {
			word = defaultPlatform
		}
		if r.Platform, err = image.ParsePlatform(word); err != nil {
			return r, closing, err
		}
	}
	tree := ""
	if of.code != "" {
		if tree, err = a.packageCode(ctx, of.code, &r); err != nil {
			return r, closing, err
		}
	}
	if of.base != "" {
		if r.Base, err = a.access().OpenBase(ctx, of.base, r.Platform); err != nil {
			return r, closing, err
		}
		closing = r.Base.Close
	}
	r.key, err = r.Recipe.Key(v.Root, tree)
	return r, closing, err
}

// packageLabels says where the model comes from, in labels and as what took part.
func (a *app) packageLabels(ctx context.Context, v *registry.Version, r *packageRecipe) error {
	r.Labels = map[string]string{image.LabelTitle: v.Model, image.LabelVersion: r.Version, image.LabelModel: v.Digest.Hex()}
	r.inputs = []image.Input{{Name: v.Name(), URI: "mlx:model:" + v.Name(), Digest: map[string]string{modelDigestKind(v): v.Digest.Hex()}}}
	if v.Run == nil {
		return nil
	}
	r.run, r.Labels[image.LabelRun] = v.Run.Hex(), v.Run.Hex()
	l, err := a.ledger()
	if err != nil {
		return err
	}
	made, err := a.history(l).Account(ctx, *v.Run)
	if fault.KindOf(err) == fault.NotFound {
		return fault.New(fault.NotFound, "cannot package %s: what is known of its run is on another machine, and is part of the package", v.Name()).Hint("mlx pull")
	}
	if err != nil {
		return err
	}
	var data []string
	for _, d := range made.Body.Data {
		data = append(data, d.Root.Hex())
		r.inputs = append(r.inputs, image.Input{Name: d.Path, URI: "mlx:snapshot:" + d.Root.Hex(), Digest: map[string]string{"mlxSnapshot": d.Root.Hex()}})
	}
	if len(data) > 0 {
		r.Labels[image.LabelData] = strings.Join(data, ",")
	}
	code := made.Body.Code
	if code.Commit == "" {
		return nil
	}
	r.Labels[image.LabelRevision] = code.Commit
	in := image.Input{Name: "code of the run", Digest: map[string]string{"gitCommit": code.Commit}}
	if url, ok := run.GitURL(code.Remote); ok {
		r.Labels[image.LabelSource], in.URI = url, url
	}
	r.inputs = append(r.inputs, in)
	return nil
}

// modelDigestKind names what the digest of a version is of: of a file its bytes, of a folder its snapshot.
func modelDigestKind(v *registry.Version) string {
	if v.Kind == "file" {
		return "sha256"
	}
	return "mlxSnapshot"
}

// packageCode adds the files of REV:PATH, and returns what they are.
func (a *app) packageCode(ctx context.Context, word string, r *packageRecipe) (string, error) {
	rev, folder, ok := strings.Cut(word, ":")
	if !ok || rev == "" {
		return "", fault.New(fault.Usage, "cannot tell which code %q is: a revision of git and a folder are expected", word).Hint("--code HEAD:%s", shellWord(word))
	}
	repository, err := a.repo()
	if err != nil {
		return "", err
	}
	if folder = path.Clean(folder); !fs.ValidPath(folder) {
		return "", fault.New(fault.Usage, "cannot take code from %q: it is no folder inside the repository", word)
	}
	t, err := repository.TreeAt(ctx, rev, folder)
	if err != nil {
		return "", err
	}
	r.Code, r.code = t.Files, &image.Code{From: word, Commit: t.Commit, Tree: t.ID}
	r.Labels[image.LabelRevision] = t.Commit
	r.inputs = append(r.inputs, image.Input{Name: "code of the package", Digest: map[string]string{"gitCommit": t.Commit, "gitTree": t.ID}})
	return t.ID, nil
}

// modelFolder is the files of a version as a package has them: those of a folder, or the one file under its name. They are compared with
// their digests as they are read.
func (a *app) modelFolder(ctx context.Context, v *registry.Version) (registry.ModelBytes, error) {
	b := bytesOf(v)
	m, err := a.model(ctx, b)
	if err != nil {
		return m, err
	}
	store, err := a.store()
	if err != nil {
		return m, err
	}
	if m.File == "" {
		if v.Digest != v.Root {
			return m, damagedVersion(b, "its digest is "+v.Root.Short()+", not "+v.Digest.Short())
		}
		m.Known = true
		return m, nil
	}
	digest, err := store.FileDigest(ctx, v.Root, m.File)
	if err == nil && digest != v.Digest {
		err = damagedVersion(b, "its digest is "+digest.Short()+", not "+v.Digest.Short())
	}
	m.File, m.Known = "", true // a package is a folder, be it of one file
	return m, err
}

// cardFiles lists the files of a version with the digests that they are compared with when they are read.
func (a *app) cardFiles(ctx context.Context, b exactBytes) ([]registry.CardFile, error) {
	m, err := a.modelFolder(ctx, b.version)
	if err != nil {
		return nil, err
	}
	files := []registry.CardFile{}
	err = eachFileOf(m.FS, func(name string, size int64, digest object.Digest) {
		files = append(files, registry.CardFile{Path: name, SHA256: digest.Hex(), Bytes: size})
	})
	return files, a.notHere(ctx, err, b.path, b.root)
}
