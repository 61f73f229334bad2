package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/pipeline/export"
	"mlx/internal/registry"
	"mlx/internal/run"
)

// modelForms are the forms of a version of a model.
func modelForms() []string { return []string{"card", "cyclonedx"} }

// exportOfModel writes the card or the bill of materials of one version.
func (a *app) exportOfModel(ctx context.Context, o exportOptions, v *exportView) error {
	found, err := a.resolve(ctx, o.refs[0])
	if err != nil {
		return err
	}
	if found.Kind != refModel {
		return fault.New(fault.Usage, "cannot export %s as %s: it needs a version of a model", found.short(), o.form).
			About(found.ref()).Hint("mlx model register NAME %s", shellWord(o.refs[0]))
	}
	m, version, err := a.modelVersion(ctx, found)
	if err != nil {
		return err
	}
	card, err := a.cardOf(ctx, m, version, a.modelFiles)
	if err != nil {
		return err
	}
	v.Of = append(v.Of, refOf(refModel, version.Record.Hex(), version.Name()))
	name, text := "card.md", card.Markdown()
	switch {
	case o.form == "cyclonedx":
		name = "bom.cdx.json"
		text, err = card.CycloneDX()
	case strings.EqualFold(filepath.Ext(o.out), ".json"):
		name = "card.json"
		text, err = json.MarshalIndent(card, "", "  ")
		text = append(text, '\n')
	}
	v.Files, v.Card = []export.File{{Name: name, Text: string(text)}}, &card
	return err
}

// listFiles lists the files of a version.
type listFiles func(context.Context, exactBytes) ([]registry.CardFile, error)

// cardOf collects what is known of a version, with the files as they are listed.
func (a *app) cardOf(ctx context.Context, m *registry.Model, v *registry.Version, list listFiles) (registry.Card, error) {
	v, err := a.tagged(ctx, v)
	if err != nil {
		return registry.Card{}, err
	}
	proof, err := a.proofOf(ctx, v)
	if err != nil {
		return registry.Card{}, err
	}
	card := registry.NewCard(m, v, proof)
	card.Mlx = mlxVersion()
	if !v.Root.IsZero() {
		if card.Files, err = list(ctx, bytesOf(v)); err != nil {
			return card, err
		}
	}
	made, err := a.viewOfMaker(ctx, v)
	if err != nil {
		return card, err
	}
	derived, err := a.derivationOf(ctx, m, v, made)
	if err != nil {
		return card, err
	}
	if derived != nil {
		card.Derived = &derived.Text
	}
	if err := a.cardRun(ctx, v, &card); err != nil {
		return card, err
	}
	card.Finish()
	return card, nil
}

// modelFiles reads every file of a version and returns its digest, which must be the one that the version names.
func (a *app) modelFiles(ctx context.Context, b exactBytes) ([]registry.CardFile, error) {
	m, err := a.model(ctx, b)
	if err != nil {
		return nil, err
	}
	files := []registry.CardFile{}
	err = eachModelFile(m, func(name string, f fs.File) error {
		if m.File != "" {
			name = path.Base(b.path)
		}
		sum := sha256.New()
		n, err := io.Copy(sum, f)
		if err != nil {
			return err
		}
		digest := object.Digest(sum.Sum(nil))
		if info, err := f.Stat(); err != nil || info.Sys() != any(digest) || m.File != "" && digest != b.digest {
			return damagedVersion(b, name+" is not the file that was registered")
		}
		files = append(files, registry.CardFile{Path: name, SHA256: digest.Hex(), Bytes: n})
		return nil
	})
	return files, a.notHere(ctx, err, b.path, b.root)
}

// cardRun adds what is known of the run that made the version.
func (a *app) cardRun(ctx context.Context, v *registry.Version, card *registry.Card) error {
	if v.Run == nil {
		return nil
	}
	l, err := a.ledger()
	if err != nil {
		return err
	}
	account, err := a.history(l).Account(ctx, *v.Run)
	if fault.KindOf(err) == fault.NotFound {
		return nil // its records are on another machine
	}
	if err != nil {
		return err
	}
	card.Run = &registry.CardRun{ID: account.ID, Command: account.Command, Commit: account.Commit, Branch: account.Branch, Dirty: account.Dirty,
		Started: account.StartedAt, Ended: account.EndedAt, Duration: account.DurationS, Machine: machineWords(account)}
	if url, ok := run.GitURL(account.Body.Code.Remote); ok {
		card.Run.Remote = &url
	}
	card.Reproduce = []string{"mlx pull", "mlx rerun " + account.RunID.Short(), "mlx verify " + shellWord(v.Name())}
	maps.Copy(card.Params, account.Params)
	for _, name := range sortedKeys(account.Metrics) {
		n := account.Metrics[name]
		m := registry.CardMetric{Name: name, Text: cli.Float(float64(n)).Machine()}
		if value := float64(n); n.Finite() {
			m.Value = &value
		}
		card.Metrics = append(card.Metrics, m)
	}
	a.cardData(account, card)
	return a.cardEnvironment(ctx, account, card)
}

// machineWords says where a run executed.
func machineWords(account run.Account) string {
	m := account.Machine
	words := []string{m.OS + " " + m.Arch, cli.FormatNum(int64(m.CPUs), "CPU")}
	if m.CPU != "" {
		words = append(words, m.CPU)
	}
	if m.MemoryBytes != nil {
		words = append(words, cli.FormatBytes(*m.MemoryBytes)+" of memory")
	}
	if account.Environment != nil && len(account.Environment.GPUs) > 0 {
		words = append(words, run.GPUWords(account.Environment.GPUs))
	}
	return strings.Join(words, ", ")
}

// cardData lists what the run read: versions of data, models, and data that a client of the run only described.
func (a *app) cardData(account run.Account, card *registry.Card) {
	for _, d := range account.Body.Data {
		hex := d.Root.Hex()
		card.Data = append(card.Data, registry.CardData{Path: d.Path, Snapshot: &hex, Type: d.Kind})
	}
	if account.Body.Tracking == nil {
		return
	}
	for _, d := range account.Body.Tracking.Datasets {
		card.Data = append(card.Data, registry.CardData{Path: d.Name, Type: "described: " + d.SourceType, Source: some(d.Source)})
	}
}

func (a *app) cardEnvironment(ctx context.Context, account run.Account, card *registry.Card) error {
	e := account.Environment
	if e == nil {
		return nil
	}
	card.Environment = &registry.CardEnvironment{Packages: []registry.CardPackage{}, GPUs: []string{}, Complete: true}
	for _, g := range e.GPUs {
		card.Environment.GPUs = append(card.Environment.GPUs, g.Name)
	}
	if e.Python == nil {
		return nil
	}
	card.Environment.Python = &e.Python.Version
	store, err := a.store()
	if err != nil {
		return err
	}
	list, err := run.PackagesOf(ctx, store, e.Python)
	if fault.KindOf(err) == fault.NotFound {
		card.Environment.Complete = false
		return nil
	}
	if err != nil {
		return err
	}
	for _, line := range list {
		card.Environment.Packages = append(card.Environment.Packages, cardPackage(line))
	}
	slices.SortFunc(card.Environment.Packages, func(x, y registry.CardPackage) int {
		return strings.Compare(x.Name+" "+x.Version, y.Name+" "+y.Version)
	})
	return nil
}

// cardPackage reads a line of a list of packages, as docs/scripting.md shows them.
func cardPackage(line string) registry.CardPackage {
	line, editable := strings.CutPrefix(line, "-e ")
	line, source, _ := strings.Cut(line, " @ ")
	name, version, _ := strings.Cut(line, "==")
	p := registry.CardPackage{Name: name, Version: version, Source: some(source)}
	if before, _, conda := strings.Cut(version, "="); conda {
		p.Version, p.Conda = before, true
	}
	if editable && source == "" {
		p.Source = some("its source in this repository")
	}
	return p
}
