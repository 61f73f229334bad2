package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/object"
	"mlx/internal/repo"
)

// specsOf are the gates of a configuration that names choose, all without names; those that they include are put in, and their waivers
// applied.
func (a *app) specsOf(ctx context.Context, file string, config *repo.Config, names []string) ([]gate.Spec, error) {
	written := []gate.Spec{}
	for name, g := range config.Gates.All() {
		written = append(written, gateSpec(file, name, g))
	}
	if len(written) == 0 && file != repo.ConfigName {
		return nil, fault.New(fault.NotFound, "cannot judge: %s has no gates", file).Hint("mlx help gate   # shows how one is written")
	}
	chosen, err := gate.Choose(written, names)
	if err != nil {
		return nil, err
	}
	specs := make([]gate.Spec, len(chosen))
	for i, s := range chosen {
		g, _ := config.Gates.Get(s.Name)
		if specs[i], err = a.specOf(ctx, gateFile{name: file, config: config}, s.Name, g); err != nil {
			return nil, err
		}
		a.mean(&specs[i], config)
	}
	return specs, nil
}

// mean puts in what is said of the columns of the tables that a gate names.
func (a *app) mean(s *gate.Spec, config *repo.Config) {
	for _, where := range append(s.Reads(), s.For) {
		if m, ok := a.meaningIn(config, where); ok {
			if s.Meanings == nil {
				s.Meanings = map[string]gate.Meaning{}
			}
			s.Meanings[where] = m
		}
	}
}

// gateFile is a file that holds gates.
type gateFile struct {
	name   string // as positions call it
	config *repo.Config
	pinned string   // how mlx.yaml names it, when it is of another repository
	path   []string // the gates that include each other, outermost first
}

func (a *app) specOf(ctx context.Context, f gateFile, name string, g repo.Gate) (gate.Spec, error) {
	f.path = append(slices.Clone(f.path), name)
	s := gateSpec(f.name, name, g)
	for i := range s.Rules {
		s.Rules[i].Pinned = f.pinned
	}
	var included []gate.Rule
	for _, i := range g.Include {
		rules, err := a.included(ctx, f, i)
		if err != nil {
			return s, err
		}
		included = append(included, rules...)
	}
	s.Rules = append(included, s.Rules...)
	return s, waive(&s, g.Waivers)
}

// included are the rules of a gate that another includes. A rule on a table keeps the table of its own gate.
func (a *app) included(ctx context.Context, f gateFile, i repo.Include) ([]gate.Rule, error) {
	if i.From != "" || i.File != "" {
		other, err := a.gateFileOf(ctx, f, i)
		if err != nil {
			return nil, err
		}
		other.path, f = f.path, other
	} else if slices.Contains(f.path, i.Gate) {
		return nil, fault.New(fault.Usage, "cannot judge %s: it includes itself through %s (%s line %d)", f.path[0],
			strings.Join(append(slices.Clone(f.path[1:]), i.Gate), ", "), f.name, i.At.Line).In(i.At)
	}
	g, ok := f.config.Gates.Get(i.Gate)
	if !ok {
		err := fault.New(fault.NotFound, "cannot judge %s: %s has no gate %q", f.path[0], f.name, i.Gate)
		if near := fault.Nearest(i.Gate, f.config.Gates.Names()); near != "" {
			return nil, err.Hint("did you mean %q?", near)
		}
		return nil, err.Hint("its gates are %s", strings.Join(f.config.Gates.Names(), ", "))
	}
	other, err := a.specOf(ctx, f, i.Gate, g)
	for k := range other.Rules {
		r := &other.Rules[k]
		r.From = cmp.Or(r.From, i.Gate)
		if r.Table == "" && gate.TakesTable(*r) {
			r.Table = cmp.Or(other.Table, tableOf(other.For))
		}
	}
	return other.Rules, err
}

// tableOf is what a gate is for, unless the word can only be a run, a stage or a version of a model.
func tableOf(where string) string {
	r := readRef(where)
	_, version, at := strings.Cut(r.word, "@")
	run := r.kind == refRun || r.kind == refStage || r.kind == refModel || r.kind == "" && at && !strings.ContainsAny(version, "/.")
	if run && r.inner == "" && !isTableURL(where) {
		return ""
	}
	return where
}

// maxIncluded bounds how many files of gates lead to another.
const maxIncluded = 16

// gateFileOf reads a file of gates: of this project, or of another git repository, where it is pinned by digest. What was read once is
// kept, so that judging needs no network.
func (a *app) gateFileOf(ctx context.Context, f gateFile, i repo.Include) (gateFile, error) {
	wrong := func(kind fault.Kind, format string, args ...any) error {
		err := fault.New(kind, format, args...)
		return fault.New(kind, "cannot judge %s: %w (%s line %d)", f.path[0], err, f.name, i.At.Line).In(i.At)
	}
	if len(f.path) > maxIncluded {
		return gateFile{}, wrong(fault.Usage, "more than %d gates include each other", maxIncluded)
	}
	if i.From == "" {
		if f.pinned != "" {
			return gateFile{}, wrong(fault.Usage, "a gate of another repository includes a file of its own: name it with from: and digest:")
		}
		text, err := os.ReadFile(a.shown(i.File))
		if err != nil {
			return gateFile{}, wrong(fault.KindOf(err), "cannot read %s: %w", i.File, err)
		}
		if err := pinnedAs(text, i); i.Digest != "" && err != nil {
			return gateFile{}, wrong(fault.Integrity, "%w", err)
		}
		return parsedGates(i.File, text, "")
	}
	if i.Digest == "" {
		return gateFile{}, wrong(fault.Usage, "gates of %s need digest: the sha256 of their file", repo.PlainURL(i.From))
	}
	text, err := a.foreignGates(ctx, f, i)
	if err != nil {
		return gateFile{}, err
	}
	return parsedGates(repo.PlainURL(i.From)+" "+cmp.Or(i.File, repo.ConfigName), text, i.TrustValue())
}

func parsedGates(name string, text []byte, pinned string) (gateFile, error) {
	config, err := repo.ReadConfigFrom(name, strings.NewReader(string(text)))
	return gateFile{name: name, config: config, pinned: pinned}, err
}

func pinnedAs(text []byte, i repo.Include) error {
	if got := object.Sum(text); got.Hex() != strings.TrimPrefix(i.Digest, "sha256:") {
		return fault.New(fault.Integrity, "%s is %s, not %s as pinned", cmp.Or(i.File, repo.ConfigName), got, i.Digest)
	}
	return nil
}

// foreignGates reads a pinned file out of what was kept of it, else out of its repository.
func (a *app) foreignGates(ctx context.Context, f gateFile, i repo.Include) ([]byte, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	kept := filepath.Join(r.Home, "index", "gates", strings.TrimPrefix(i.Digest, "sha256:"))
	if _, err := object.ParseDigest("sha256:" + filepath.Base(kept)); err != nil {
		return nil, fault.New(fault.Usage, "cannot judge %s: digest %q is no sha256 (%s line %d)", f.path[0], i.Digest, f.name, i.At.Line).In(i.At)
	}
	if text, err := os.ReadFile(kept); err == nil && pinnedAs(text, i) == nil {
		return text, nil
	}
	if err := a.mayInclude(f, i); err != nil {
		return nil, err
	}
	text, err := a.fetchGates(ctx, i)
	if err == nil {
		err = pinnedAs(text, i)
	}
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot judge %s: %w (%s line %d)", f.path[0], err, f.name, i.At.Line).In(i.At)
	}
	if err := os.MkdirAll(filepath.Dir(kept), 0o777); err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot keep %s: %w", kept, err)
	}
	return text, repo.WriteFile(kept, text, 0o666)
}

// mayInclude refuses an address that the user has not allowed, unless it is a folder of this machine.
func (a *app) mayInclude(f gateFile, i repo.Include) error {
	if s, err := a.sourceOf(a.fromConfig(i.From)); err == nil && s.kind != sourceGit {
		return nil
	}
	t, err := a.allowed()
	if err != nil {
		return err
	}
	if !t.Approved(repo.TrustGates, i.Gate, i.TrustValue()) {
		return fault.New(fault.Denied, "cannot judge %s: it includes gates of %s, which you have not allowed here", f.path[0], repo.PlainURL(i.From)).
			In(i.At).Hint("mlx trust")
	}
	return nil
}

func (a *app) fetchGates(ctx context.Context, i repo.Include) (text []byte, err error) {
	rev, name, ok := strings.Cut(cmp.Or(i.File, repo.ConfigName), ":")
	if !ok {
		rev, name = "HEAD", rev
	}
	s, err := a.sourceOf(a.fromConfig(i.From))
	if err != nil {
		return nil, err
	}
	o := &origin{place: s.typed}
	defer func() { err = errors.Join(err, o.close()) }()
	p, err := a.peek(ctx, o, s, rev)
	if err != nil {
		return nil, err
	}
	return p.Read(ctx, name)
}

// waive puts waivers on the rules of a gate that they name. One that fits nothing is a mistake: nothing would say so later.
func waive(s *gate.Spec, waivers []repo.WaiverRule) error {
	titles := make([]string, len(s.Rules))
	for k, r := range s.Rules {
		titles[k] = r.Called()
		if r.Waiver != nil {
			if err := checkDay(s.Name, r.Waiver.Until, r.At); err != nil {
				return err
			}
		}
	}
	for _, w := range waivers {
		w.At.File = s.At.File
		if err := checkDay(s.Name, w.Until, w.At); err != nil {
			return err
		}
		fits := 0
		for k := range s.Rules {
			if titles[k] == w.Check || s.Rules[k].Name == w.Check {
				s.Rules[k].Waiver = &gate.Waiver{Owner: w.Owner, Reason: w.Reason, Until: w.Until}
				fits++
			}
		}
		if fits == 0 {
			err := fault.New(fault.Usage, "cannot judge %s: a waiver names %q, which is none of its checks (%s line %d)", s.Name, w.Check, w.At.File, w.At.Line).In(w.At)
			if near := fault.Nearest(w.Check, titles); near != "" {
				return err.Hint("did you mean %q?", near)
			}
			return err.Hint("mlx show gate:%s   # names its checks", s.Name)
		}
	}
	return nil
}

func checkDay(gateName, day string, at fault.Position) error {
	if _, err := time.Parse(time.DateOnly, day); err != nil {
		return fault.New(fault.Usage, "cannot judge %s: until: %q is no day such as 2026-12-31 (%s line %d)", gateName, day, at.File, at.Line).In(at)
	}
	return nil
}
