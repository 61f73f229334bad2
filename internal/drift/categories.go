package drift

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"mlx/internal/dataset"
	"mlx/internal/stats"
)

const (
	shownCategories = 30 // of either side
	shownNew        = 10
)

// category is a word with how often it stands on either side.
type category struct {
	word string
	n    [2]int64
}

// categoriesOf measures a column of categories.
func (p *pairing) categoriesOf(m *Measured) error {
	m.Distances = make(map[Method]Effect)
	a, b := p.wordsOf(0), p.wordsOf(1)
	var all []category
	if !a.full && !b.full {
		all = unite(a, b)
	}
	if a.full || b.full || len(all) > p.spec.MaxTexts {
		m.Why = fmt.Sprintf("it has more than %s different values", withCommas(p.spec.MaxTexts))
		for _, method := range categoryMethods() {
			m.Distances[method] = Effect{math.NaN(), math.NaN()}
		}
		for i, side := range []*vocabulary{a, b} {
			if n := int64(len(side.names)); !side.full {
				[]*Summary{&m.Reference, &m.Current}[i].Distinct = &n
			}
		}
		return nil
	}
	p.all = all
	p.describe(m, all)
	for _, c := range all {
		m.Full.Categories = append(m.Full.Categories, c.word)
		m.Full.Reference, m.Full.Current = append(m.Full.Reference, c.n[0]), append(m.Full.Current, c.n[1])
	}
	if p.spec.NullBin {
		m.Full = p.withNulls(m.Full)
	}
	m.Bins = p.shown(all)
	return p.measureCategories(m)
}

func categoryMethods() []Method {
	return []Method{PSI, Chi2, JensenShannon, TVD, LInfinity, Hellinger}
}

func (p *pairing) measureCategories(m *Measured) error {
	ref, cur := floats(m.Full.Reference), floats(m.Full.Current)
	for _, method := range categoryMethods() {
		v, err := p.distance(method, ref, cur)
		if err != nil {
			return err
		}
		e := Effect{v, math.NaN()}
		if method == Chi2 {
			c, err := stats.Chi2Homogeneity(ref, cur, p.spec.Yates)
			if err != nil {
				return err
			}
			e.P = c.P
		}
		m.Distances[method] = e
	}
	return nil
}

// cramersV is the effect of a 2xK table: sqrt(chi2/n), as one of its sides is 2. NaN where chi-square is not defined.
func cramersV(c stats.Chi2, ref, cur []float64) float64 {
	n := 0.0
	for i := range ref {
		n += ref[i] + cur[i]
	}
	if !(c.Degrees > 0) {
		return math.NaN()
	}
	return math.Sqrt(c.Statistic / n)
}

func floats(counts []int64) []float64 {
	all := make([]float64, len(counts))
	for i, n := range counts {
		all[i] = float64(n)
	}
	return all
}

// wordsOf are the categories of a side. A column without values has none, whatever its type.
func (p *pairing) wordsOf(side int) *vocabulary {
	if w := p.columns[side].words; w != nil {
		return w
	}
	return newVocabulary(0)
}

// unite counts the words of both sides: those of the reference come first, the most frequent before the others.
func unite(a, b *vocabulary) []category {
	all := make([]category, 0, len(a.names)+len(b.names))
	for code, word := range a.names {
		c := category{word: word, n: [2]int64{a.counts[code], 0}}
		if other, ok := b.codes[word]; ok {
			c.n[1] = b.counts[other]
		}
		all = append(all, c)
	}
	for code, word := range b.names {
		if _, ok := a.codes[word]; !ok {
			all = append(all, category{word: word, n: [2]int64{0, b.counts[code]}})
		}
	}
	all = slices.DeleteFunc(all, func(c category) bool { return c.n == [2]int64{} })
	slices.SortFunc(all, func(x, y category) int {
		return cmp.Or(cmp.Compare(y.n[0], x.n[0]), cmp.Compare(y.n[1], x.n[1]), cmp.Compare(x.word, y.word))
	})
	return all
}

// describe says what can be said of categories without measuring.
func (p *pairing) describe(m *Measured, all []category) {
	distinct := [2]int64{}
	var top [2]category
	for _, c := range all {
		for side, n := range c.n {
			if n > 0 {
				distinct[side]++
			}
			if n > top[side].n[side] {
				top[side] = c
			}
		}
		if c.n[0] == 0 {
			m.Unseen += c.n[1]
			if len(m.New) < shownNew && !p.private {
				m.New = append(m.New, c.word)
			}
		}
	}
	m.Reference.Distinct, m.Current.Distinct = &distinct[0], &distinct[1]
	if !p.private {
		m.Reference.Top, m.Current.Top = top[0].word, top[1].word
	}
}

// shown are the most frequent categories of either side, and all others together.
func (p *pairing) shown(all []category) Bins {
	byCurrent := slices.Clone(all)
	slices.SortStableFunc(byCurrent, func(x, y category) int { return cmp.Compare(y.n[1], x.n[1]) })
	often := make(map[string]bool)
	for _, list := range [][]category{all, byCurrent} {
		for _, c := range list[:min(len(list), shownCategories)] {
			often[c.word] = true
		}
	}
	var b Bins
	var others [2]int64
	for _, c := range all {
		if !often[c.word] {
			others[0], others[1] = others[0]+c.n[0], others[1]+c.n[1]
			continue
		}
		word := c.word
		if p.private {
			word = ""
		}
		b.Categories = append(b.Categories, word)
		b.Reference, b.Current = append(b.Reference, c.n[0]), append(b.Current, c.n[1])
	}
	if len(often) < len(all) {
		b.Others = true
		b.Reference, b.Current = append(b.Reference, others[0]), append(b.Current, others[1])
	}
	if p.spec.NullBin {
		b = p.withNulls(b)
	}
	return b
}

// withCommas writes a number with commas between thousands.
func withCommas(n int) string {
	text := fmt.Sprint(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// textual says whether a column is compared by its words.
func textual(a, b dataset.Field, s *Spec) bool {
	return familyOf(a, s) == familyWord || familyOf(b, s) == familyWord
}
