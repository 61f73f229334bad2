package main

import (
	"path"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// verifyView is the JSON of `mlx verify`.
type verifyView struct {
	Kind   string              `json:"kind"`
	Clean  bool                `json:"clean"`
	Ledger *ledgerView         `json:"ledger"`
	Store  *storeView          `json:"store"`
	Remote *remoteVerifiedView `json:"remote"`

	Signature *signatureView `json:"signature"` // of a model, with --signature
}

type ledgerView struct {
	Records     int           `json:"records"`
	Bytes       int64         `json:"bytes"`
	Checkpoints int           `json:"checkpoints"`
	Size        uint64        `json:"size"` // of the Merkle tree with this root; who keeps both notices a ledger made anew
	Root        string        `json:"root"`
	Damage      []problemView `json:"damage"`
}

type problemView struct {
	File   string  `json:"file"`
	Offset int64   `json:"offset"`
	Record *string `json:"record"` // null when no single record is concerned
	What   string  `json:"what"`
}

func viewOfProblem(p lineage.Problem, folder string) problemView {
	file := p.File
	if rel, err := filepath.Rel(folder, file); err == nil && filepath.IsAbs(file) {
		file = rel
	}
	v := problemView{File: "ledger/" + filepath.ToSlash(file), Offset: p.Offset, What: p.What}
	if !p.Record.IsZero() {
		v.Record = some(p.Record.Hex())
	}
	return v
}

type storeView struct {
	Packs   int64        `json:"packs"`
	Objects int64        `json:"objects"`
	Bytes   int64        `json:"bytes"`
	Damage  []damageView `json:"damage"`

	Repaired int `json:"repaired"` // objects of which good copies came from a remote
}

type damageView struct {
	Object string     `json:"object"`
	Cause  string     `json:"cause"`
	Hurts  []hurtView `json:"hurts"`
}

type hurtView struct {
	Snapshot string `json:"snapshot"`
	Path     string `json:"path"`
	root     object.Digest
}

// viewOfDamage names the paths that a damage hurts from the root of the repository.
func viewOfDamage(d snapshot.Damage, folder string, known []dataAt) damageView {
	v := damageView{Object: d.Object, Cause: strings.ReplaceAll(d.Cause, folder+string(filepath.Separator), ""), Hurts: []hurtView{}}
	if name, _, _ := strings.Cut(path.Base(d.Object), " "); strings.Contains(d.Cause, name+": ") {
		_, v.Cause, _ = strings.Cut(d.Cause, name+": ") // the object says already where it is
	}
	for _, h := range d.Hurts {
		at := h.Path
		if i := slices.IndexFunc(known, func(k dataAt) bool { return k.Root == h.Root }); i >= 0 {
			at = known[i].Path
			if path.Base(at) != h.Path { // else it is the version of a single file
				at = path.Join(at, h.Path)
			}
		}
		v.Hurts = append(v.Hurts, hurtView{h.Root.Hex(), at, h.Root})
	}
	return v
}

func (a *app) verifyText(v verifyView, t *cli.Text) {
	if v.Signature != nil {
		modelSignatureText(v.Signature, t)
	}
	if v.Ledger != nil {
		for _, p := range v.Ledger.Damage {
			t.Line(cli.Word(cli.RoleFail, "damaged"), cli.Path(p.File), cli.Str(p.What))
		}
		t.Line(verifiedWord(len(v.Ledger.Damage)), cli.Str("ledger"), cli.Num(int64(v.Ledger.Records), "record"), cli.Bytes(v.Ledger.Bytes))
	}
	if v.Remote != nil {
		a.remoteVerifiedText(v.Remote, t)
	}
	if v.Store == nil {
		return
	}
	if v.Store.Repaired > 0 {
		t.Line(cli.Word(cli.RolePass, "repaired"), cli.Num(int64(v.Store.Repaired), "object"))
	}
	for _, d := range v.Store.Damage {
		t.Line(cli.Word(cli.RoleFail, "damaged"), cli.Str(d.Object), cli.Str(d.Cause))
		for _, h := range d.Hurts {
			t.Indented(2, cli.Str("hurts"), cli.ID(h.root), cli.Path(a.shown(h.Path)))
		}
	}
	t.Line(verifiedWord(len(v.Store.Damage)), cli.Str("store"), cli.Num(v.Store.Packs, "pack"), cli.Num(v.Store.Objects, "object"), cli.Bytes(v.Store.Bytes))
}

func verifiedWord(damages int) cli.Cell {
	if damages > 0 {
		return cli.Word(cli.RoleFail, "DAMAGE")
	}
	return cli.Word(cli.RolePass, "intact")
}
