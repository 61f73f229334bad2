package drift

import (
	"maps"
	"path"
	"slices"
	"time"

	"mlx/internal/fault"
)

// unknown is the error for a word that is none of those that are known.
func unknownWord[S ~string](what string, word S, known []S) error {
	err := fault.New(fault.Usage, "cannot compare: there is no %s %q", what, word)
	plain := make([]string, len(known))
	for i, k := range known {
		plain[i] = string(k)
	}
	if near := fault.Nearest(string(word), plain); near != "" {
		return err.Hint("did you mean %q? There are %s", near, listWords(known))
	}
	return err.Hint("there are %s", listWords(known))
}

// wrong is the error for a number that cannot be.
func wrongNumber(what string, v any, needs string) error {
	return fault.New(fault.Usage, "cannot compare: %s is %v", what, v).Hint("it is %s", needs)
}

func (s Spec) checkWords() error {
	for _, c := range []struct {
		what, word string
		known      []string
	}{
		{"way to judge", s.Judge, []string{JudgeBoth, JudgeEffect, JudgeP}},
		{"correction", s.Correction, []string{"bh", "holm", "bonferroni", "none"}},
		{"binning", string(s.Binning), []string{string(Atoms), string(Quantile), string(Width), string(Sturges), string(Doane)}},
		{"way to get the p of K-S", s.KSP, []string{"auto", "exact", "asymptotic", "limit"}},
		{"answer to a changed schema", s.Schema, []string{SchemaFail, SchemaWarn, SchemaIgnore}},
	} {
		if c.word != "" && !slices.Contains(c.known, c.word) {
			return unknownWord(c.what, c.word, c.known)
		}
	}
	if _, err := time.LoadLocation(s.TimeZone); err != nil {
		return fault.New(fault.Usage, "cannot compare: there is no time zone %q", s.TimeZone).Hint("a name such as America/New_York, or UTC")
	}
	return nil
}

func (s Spec) checkMethods() error {
	all := append(methodsOf(Numbers), Chi2)
	for _, key := range slices.Sorted(maps.Keys(s.Methods)) {
		m := s.Methods[key]
		if !slices.Contains(all, m) {
			return unknownWord("method", m, all)
		}
		if kind := Kind(key); (kind == Numbers || kind == Categories) && !m.Compares(kind) {
			return fault.New(fault.Usage, "cannot compare %s by %s", kind, m).Hint("methods of %s are %s", kind, listWords(methodsOf(kind)))
		}
	}
	return nil
}

// numberBounds is a number and what it may be; open: the ends themselves may not.
type numberBounds struct {
	what      string
	value     float64
	low, high float64
	needs     string
}

func (s Spec) checkNumbers() error {
	const most = 1e18
	all := []numberBounds{
		{"level", s.Level, 0, 0.5, "a share between 0 and 0.5, such as 0.05"},
		{"bins", float64(s.Bins), 0, 1000, "2 to 1000"},
		{"floor", s.Floor, 0, 0.1, "a small share such as 0.0001"},
		{"base", s.Base, 0, most, "above 1, such as 2"},
		{"max_texts", float64(s.MaxTexts), 0, 1e7, "1 to 10000000"},
		{"min_rows", float64(s.MinRows), 0, most, "at least 1"},
		{"max_drifted", s.MaxDrifted, 0, 1, "a share such as 10%"},
		{"missing", s.MissingLimit, 0, 1, "a share such as 5%"},
		{"unseen", s.UnseenLimit, 0, 1, "a share such as 1%"},
		{"freshness", s.Freshness, 0, most, "a length of time such as 2d"},
	}
	for _, o := range []struct {
		what string
		at   *float64
	}{{"threshold", s.Threshold}, {"volume", s.Volume}, {"duplicates", s.Duplicates}} {
		if o.at != nil {
			all = append(all, numberBounds{o.what, *o.at, 0, most, "a number of at least 0"})
		}
	}
	if s.Learn != nil {
		all = append(all, numberBounds{"chunks", float64(s.Learn.Chunks), 0, 10_000, "3 to 10000"}, numberBounds{"deviations", s.Learn.Deviations, 0, most, "such as 3"})
	}
	if s.Classifier != nil {
		all = append(all, numberBounds{"max_auc", s.Classifier.MaxAUC, 0, 1, "between 0.5 and 1, such as 0.65"},
			numberBounds{"rows", float64(s.Classifier.Rows), 0, 1e7, "such as 10000"})
	}
	for _, key := range slices.Sorted(maps.Keys(s.Thresholds)) {
		all = append(all, numberBounds{"the threshold of " + key, s.Thresholds[key], 0, most, "a number of at least 0"})
	}
	for _, key := range slices.Sorted(maps.Keys(s.Weights)) {
		all = append(all, numberBounds{"the weight of " + key, s.Weights[key], 0, most, "a number of at least 0"})
	}
	for _, b := range all {
		if !(b.value >= b.low && b.value <= b.high) {
			return wrongNumber(b.what, b.value, b.needs)
		}
	}
	switch {
	case s.Level == 0.5:
		return wrongNumber("level", s.Level, "a share between 0 and 0.5, such as 0.05")
	case s.Bins == 1:
		return wrongNumber("bins", s.Bins, "2 to 1000")
	case s.Base > 0 && s.Base <= 1:
		return wrongNumber("base", s.Base, "above 1, such as 2")
	case s.Learn != nil && (s.Learn.Chunks == 1 || s.Learn.Chunks == 2):
		return wrongNumber("chunks", s.Learn.Chunks, "3 to 10000")
	case s.Classifier != nil && s.Classifier.MaxAUC != 0 && (s.Classifier.MaxAUC < 0.5 || s.Classifier.MaxAUC == 1):
		return wrongNumber("max_auc", s.Classifier.MaxAUC, "between 0.5 and 1, such as 0.65")
	}
	return nil
}

// checkPatterns reads every key that may be a pattern: one that cannot be read would fit nothing, without a word.
func (s Spec) checkPatterns() error {
	keys := slices.Concat(s.Columns, s.Ignore, s.Categories, slices.Sorted(maps.Keys(s.Methods)), slices.Sorted(maps.Keys(s.Thresholds)),
		slices.Sorted(maps.Keys(s.Weights)))
	for _, key := range keys {
		if _, err := path.Match(key, ""); err != nil {
			return fault.New(fault.Usage, "cannot compare: %q is neither a name nor a pattern", key).Hint("a pattern is such as 'temp_*'; escape [ as \\[")
		}
	}
	return nil
}
