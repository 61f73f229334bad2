package main

import (
	"context"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/run"
)

// derivation says how a version differs from the one that it came from, as their runs recorded it.
type derivation struct {
	From     fault.Ref      `json:"from"`
	Recorded bool           `json:"recorded"` // its run read that version; else it is the one with the number before
	Params   []valueChange  `json:"params"`
	Data     []dataPairView `json:"data"`
	Code     *codeMove      `json:"code"`
	Packages []valueChange  `json:"packages"`
	Text     string         `json:"text"`
}

// dataPairView is a path of data of which two runs read other versions; null where one read none.
type dataPairView struct {
	Path string  `json:"path"`
	A    *string `json:"a"`
	B    *string `json:"b"`
}

// codeMove is the commits of two runs, each with the digest of what was not committed.
type codeMove struct {
	A *string `json:"a"`
	B *string `json:"b"`
}

// derivationOf compares a version with the one that it was derived from: the first parent that its run read, of this model if there
// is one; else the version before. made is the run that made it, if that is known. nil: there is nothing to compare with.
func (a *app) derivationOf(ctx context.Context, m *registry.Model, v *registry.Version, made *run.View) (*derivation, error) {
	d := derivation{Params: []valueChange{}, Data: []dataPairView{}, Packages: []valueChange{}}
	parent, err := a.parentOf(ctx, v)
	if err != nil {
		return nil, err
	}
	if d.Recorded = parent != nil; !d.Recorded {
		if parent = m.Before(v.Version); parent == nil {
			return nil, nil
		}
	}
	d.From = refOfVersion(parent)
	before, err := a.viewOfMaker(ctx, parent)
	if err != nil {
		return nil, err
	}
	if before == nil || made == nil {
		d.Text = d.sentence(v, parent, []string{"what made one of them is not recorded"})
		if before == nil && made == nil {
			d.Text = d.sentence(v, parent, []string{"what made them is not recorded"})
		}
		return &d, nil
	}
	if err := a.compareMakers(ctx, &d, *before, *made, parent); err != nil {
		return nil, err
	}
	d.Text = d.sentence(v, parent, d.changes())
	return &d, nil
}

// parentOf is the version that a version names first as the one it was derived from, one of its own model before others; nil for none
// that is known here.
func (a *app) parentOf(ctx context.Context, v *registry.Version) (*registry.Version, error) {
	var found *registry.Version
	for _, p := range v.From {
		_, parent, err := a.modelVersion(ctx, target{Kind: refModel, ID: p.Record})
		if fault.KindOf(err) == fault.NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		if found == nil || found.Model != v.Model && parent.Model == v.Model {
			found = parent
		}
	}
	return found, nil
}

// compareMakers compares the runs of two versions. The bytes of the parent itself are no news among the data.
func (a *app) compareMakers(ctx context.Context, d *derivation, x, y run.View, parent *registry.Version) error {
	r, err := a.registry()
	if err != nil {
		return err
	}
	d.Params = valueChanges(x.Params, y.Params)
	left, err := versionsOfRun(x)
	if err != nil {
		return err
	}
	right, err := versionsOfRun(y)
	if err != nil {
		return err
	}
	roots := map[string][2]object.Digest{}
	for i, side := range [][]dataAt{left, right} {
		for _, v := range side {
			pair := roots[v.Path]
			pair[i] = v.Root
			roots[v.Path] = pair
		}
	}
	for _, p := range sortedKeys(roots) {
		pair := roots[p]
		if pair[0] == pair[1] || pair[1] == parent.Root {
			continue
		}
		if pair[0].IsZero() {
			same, err := a.versionsOfFile(ctx, r, pair[1])
			if err != nil {
				return err
			}
			if slices.ContainsFunc(same, func(v *registry.Version) bool { return v.Record == parent.Record }) {
				continue
			}
		}
		d.Data = append(d.Data, dataPairView{p, hexOrNil(pair[0]), hexOrNil(pair[1])})
	}
	if from, to := withPatch(x), withPatch(y); wordOf(from) != wordOf(to) {
		d.Code = &codeMove{from, to}
	}
	around, err := a.compareSurroundings(ctx, x, y)
	if err != nil {
		return err
	}
	for _, p := range around.packages {
		d.Packages = append(d.Packages, valueChange{strings.TrimPrefix(p.Key, packageKey), p.A, p.B})
	}
	return nil
}

func wordOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// maxPhrases is how many parameters, paths or packages a sentence names one by one.
const maxPhrases = 4

// changes are the phrases of a derivation.
func (d derivation) changes() []string {
	var all []string
	section := func(n int, more string, phrase func(i int) string) {
		shown := n
		if n > maxPhrases+1 {
			shown = maxPhrases
		}
		for i := range shown {
			all = append(all, phrase(i))
		}
		if n > shown {
			all = append(all, fmt.Sprintf("%d more %s", n-shown, more))
		}
	}
	section(len(d.Params), "parameters", func(i int) string { return paramPhrase(d.Params[i]) })
	section(len(d.Data), "paths of data", func(i int) string { return dataPhrase(d.Data[i]) })
	if d.Code != nil {
		all = append(all, "code "+commitPhrase(d.Code.A)+" -> "+commitPhrase(d.Code.B))
	}
	section(len(d.Packages), "packages", func(i int) string { return paramPhrase(d.Packages[i]) })
	return all
}

// paramPhrase says how a value changed: a number in percent where that is easier to grasp than the two numbers.
func paramPhrase(c valueChange) string {
	name := spoken(c.Key)
	switch {
	case c.A == nil:
		return fmt.Sprintf("%s %s added", name, valueWord(c.B))
	case c.B == nil:
		return fmt.Sprintf("%s removed", name)
	}
	x, isNumber := c.A.(float64)
	y, isOther := c.B.(float64)
	if share := (y - x) / math.Abs(x); isNumber && isOther && x != 0 && math.Abs(share) < 10 && math.Abs(share) >= 0.0005 {
		return fmt.Sprintf("%s %s %%", name, percentWord(100*share))
	}
	return fmt.Sprintf("%s %s -> %s", name, valueWord(c.A), valueWord(c.B))
}

// percentWord writes a signed share with as many digits as say something: +2, -0.5, +33.
func percentWord(share float64) string {
	decimals := 0
	for decimals < 2 && math.Abs(share*math.Pow10(decimals)-math.Round(share*math.Pow10(decimals))) > 0.02*math.Abs(share*math.Pow10(decimals)) {
		decimals++
	}
	return fmt.Sprintf("%+.*f", decimals, share)
}

func valueWord(v any) string {
	switch t := v.(type) {
	case float64:
		return strconv.FormatFloat(t, 'g', -1, 64)
	case string:
		if len(t) > 40 {
			return t[:40] + "…"
		}
		return t
	}
	return fmt.Sprint(v)
}

// spoken is a key as words: learning_rate is "learning rate".
func spoken(key string) string { return strings.ReplaceAll(key, "_", " ") }

func dataPhrase(p dataPairView) string {
	name := path.Base(p.Path)
	if dot := strings.IndexByte(name, '.'); dot > 0 {
		name = name[:dot]
	}
	name = spoken(name)
	switch {
	case p.A == nil:
		return name + " added"
	case p.B == nil:
		return name + " left out"
	}
	return name + " updated"
}

func commitPhrase(c *string) string {
	if c == nil {
		return "outside git"
	}
	commit, patch, dirty := strings.Cut(*c, "+")
	word := commit[:min(7, len(commit))]
	if dirty {
		word += "+" + patch[:min(4, len(patch))]
	}
	return word
}

// sentence is "v3 derived from v2 with learning rate +2 % and features updated". Of a parent that no run is known to have read it only
// says how they compare.
func (d derivation) sentence(v, parent *registry.Version, changes []string) string {
	from := "v" + numberWord(parent.Version)
	if parent.Model != v.Model {
		from = parent.Name()
	}
	verb, link := "derived from", " with "
	if !d.Recorded {
		verb, link = "compared with", ": "
	}
	what := joinWords(changes)
	if what == "" {
		what = "the same parameters, data, code and packages"
	}
	return fmt.Sprintf("v%d %s %s%s%s", v.Version, verb, from, link, what)
}

// joinWords writes a list as people do: a, b and c.
func joinWords(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
