package main

import (
	"context"
	"path/filepath"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/image"
	"mlx/internal/registry"
	"mlx/internal/snapshot"
)

// packageView is package/v1: a package of a version, and where it went.
type packageView struct {
	row
	Model    fault.Ref        `json:"model"`
	Image    string           `json:"image"` // digest of its manifest
	Form     image.Form       `json:"form"`
	Platform *string          `json:"platform"`
	Base     *image.BaseName  `json:"base"`
	Code     *image.Code      `json:"code"`
	Command  []string         `json:"command"`
	Bytes    int64            `json:"bytes"`
	Layers   []image.Layer    `json:"layers"`
	Place    *image.At        `json:"place"`    // null: it was made and went nowhere
	Signed   *string          `json:"signed"`   // fingerprint of the key; null: nobody stands for it
	Attached []image.Attached `json:"attached"` // statements that refer to it
}

// packagedView is what `mlx model package` answers: package/v1, all places that were asked for, and whether anything was done.
type packagedView struct {
	packageView
	Places  []image.At `json:"places"`
	Changed bool       `json:"changed"`
}

// view is a record of a package as it is told.
func (p packageRecord) view() packageView {
	e := event{rec: p.rec, id: p.rec.ID}
	e.text = cli.Sentence(p.words()...)
	b := p.body
	v := packageView{row: e.row("package/v1"), Image: b.Image, Form: b.Form, Platform: some(b.Platform), Base: b.Base, Code: b.Code,
		Command: append([]string{}, b.Command...), Bytes: b.Bytes, Layers: append([]image.Layer{}, b.Layers...), Place: b.Place, Signed: some(b.Signed),
		Attached: append([]image.Attached{}, b.Attached...)}
	v.Model = refOf(refModel, "", b.Model+"@v"+numberWord(b.Version))
	for _, in := range p.rec.In {
		if in.Role == "version" {
			v.Model.ID = in.ID.Hex()
		}
	}
	return v
}

// imageCell is the digest of an image: short for people, whole for programs.
func imageCell(digest string) cli.Cell {
	return cli.Fmt("sha256:%s", cli.Hex(strings.TrimPrefix(digest, "sha256:"), 12))
}

// words tell a package in one line.
func (p packageRecord) words() []cli.Cell {
	b := p.body
	cells := []cli.Cell{cli.Fmt("packaged %s", cli.Str(b.Model+"@v"+numberWord(b.Version))), imageCell(b.Image), cli.Bytes(b.Bytes)}
	if b.Form != image.Image {
		cells = append(cells, cli.Str(string(b.Form)))
	}
	if b.Place != nil {
		cells = append(cells, cli.Str(b.Place.Name))
	}
	return cells
}

// packaged tells a package.
func (t *teller) packaged(e *event) error {
	body, err := image.Packaged.Decode(e.rec)
	if err != nil {
		return err
	}
	p := packageRecord{e.rec, body}
	e.what = p.words()
	e.text = cli.Sentence(e.what...)
	v := p.view()
	v.row = e.row("package/v1")
	e.value = v
	return nil
}

func (p *packaging) emit(changed bool) error {
	v := packagedView{packageView: p.newest.view(), Places: []image.At{}, Changed: changed}
	for _, d := range p.done {
		if d.body.Place != nil {
			v.Places = append(v.Places, *d.body.Place)
		}
	}
	return p.app.streams.EmitVerdict(v, false, func(t *cli.Text) { p.text(v, t) })
}

func (p *packaging) text(v packagedView, t *cli.Text) {
	name := cli.Str(v.Model.Name)
	if !v.Changed {
		t.Line(cli.Fmt("nothing changed: %s is packaged", name), imageCell(v.Image), cli.Bytes(v.Bytes))
	} else {
		t.Line(cli.Fmt("packaged %s", name), imageCell(v.Image), cli.Bytes(v.Bytes))
	}
	for _, at := range v.Places {
		verb := "pushed"
		if at.Kind == image.InFile {
			verb = "wrote"
		}
		if !v.Changed {
			verb = "there"
		}
		t.Indented(2, cli.Str(verb), cli.Str(p.app.placeName(at)))
	}
	if v.Changed {
		packageFacts(v.packageView, t, 2)
	}
}

// verifiedView is package/v1 of a package that was checked.
type verifiedView struct {
	packageView
	Verified bool `json:"verified"`
}

// verifyPackage checks the newest package of a version where it lies. What does not hold is an error.
func (a *app) verifyPackage(ctx context.Context, v *registry.Version) error {
	p, found, err := a.verifiedPackage(ctx, v)
	if err != nil {
		return err
	}
	view := verifiedView{p.view(), true}
	view.Signed, view.Attached, view.Layers = &found.Signed, found.Attached, found.Layers
	return a.streams.EmitVerdict(view, false, func(t *cli.Text) {
		t.Line(cli.Word(cli.RolePass, "verified"), cli.Str(view.Model.Name), imageCell(view.Image), cli.Bytes(view.Bytes), cli.Str(a.placeName(*view.Place)))
		packageFacts(view.packageView, t, 2)
	})
}

// packageFacts says what a package consists of, and who stands for it.
func packageFacts(v packageView, t *cli.Text, indent int) {
	for _, l := range v.Layers {
		t.Indented(indent, cli.Str(l.What), imageCell(l.Digest), cli.Bytes(l.Bytes))
	}
	if v.Signed == nil {
		return
	}
	var what []string
	for _, o := range v.Attached {
		what = append(what, o.What)
	}
	t.Indented(indent, cli.Str("signed"), cli.Str(*v.Signed), cli.Str(strings.Join(what, " ")))
}

// emitPlan says what would be done.
func (p *packaging) emitPlan(missing []image.At) error {
	v := planView{Kind: "plan/v1", Command: "model package", Applies: true, Steps: []planStep{}, Needs: []planNeed{}, Classes: []snapshot.GCClass{}}
	if p.o.from == "" && p.newest == nil {
		v.Steps = append(v.Steps, planStep{Do: "build", What: p.version.Name(), Why: "no package of it was made this way", Bytes: p.version.Bytes})
	}
	for _, at := range missing {
		do := "push"
		if at.Kind == image.InFile {
			do = "write"
		}
		v.Steps = append(v.Steps, planStep{Do: do, What: at.Name, Why: "it does not have the package", Bytes: p.version.Bytes})
		v.Bytes += p.version.Bytes
	}
	return p.app.streams.Emit(v, func(t *cli.Text) {
		if len(v.Steps) == 0 {
			t.Line(cli.Fmt("nothing would change: %s is packaged", cli.Str(p.version.Name())))
		}
		for _, s := range v.Steps {
			t.Line(cli.Fmt("would %s", cli.Str(s.Do)), cli.Str(s.What), cli.Bytes(s.Bytes), cli.Str(s.Why))
		}
	})
}

// packagesText names the packages of a version, each image once, and where it lies.
func (a *app) packagesText(all []packageView, t *cli.Text) {
	for i, v := range all {
		cells := []cli.Cell{imageCell(v.Image), cli.Bytes(v.Bytes)}
		if v.Form != image.Image {
			cells = append(cells, cli.Str(string(v.Form)))
		}
		if v.Place != nil {
			cells = append(cells, cli.Str(a.placeName(*v.Place)))
		}
		if v.Signed == nil {
			cells = append(cells, cli.Word(cli.RoleWarn, "not signed"))
		}
		if i == maxPackages {
			t.KeyValue(2, "package", cli.Fmt("%s more", cli.Count(int64(len(all)-i))))
			return
		}
		t.KeyValue(2, "package", cells...)
	}
}

// placeName is a place as it is typed from here.
func (a *app) placeName(at image.At) string {
	if at.Kind == image.InFile && !filepath.IsAbs(filepath.FromSlash(at.Name)) {
		return a.shown(at.Name)
	}
	return at.Name
}

// maxPackages is how many packages of a version a person is shown.
const maxPackages = 5
