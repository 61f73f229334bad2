package drift

import (
	"math"
	"path"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/stats"
)

// The words of Spec.Judge.
const (
	JudgeBoth   = "both"
	JudgeEffect = "effect"
	JudgeP      = "p"
)

// The words of Spec.Schema.
const (
	SchemaFail   = "fail"
	SchemaWarn   = "warn"
	SchemaIgnore = "ignore"
)

// methodsOf lists the methods that a kind of values can be compared by.
func methodsOf(kind Kind) []Method {
	if kind == Categories {
		return []Method{PSI, JensenShannon, Hellinger, Chi2, TVD, LInfinity}
	}
	return []Method{PSI, KS, Wasserstein, JensenShannon, Hellinger, TVD, LInfinity}
}

// Compares says whether values of a kind can be compared by the method.
func (m Method) Compares(kind Kind) bool { return slices.Contains(methodsOf(kind), m) }

// MethodOf is the method by which a column is compared: its own name in Methods counts before the longest pattern that fits, and that
// before its kind. A pattern counts only for columns that its method can compare; a method of a column's own name that cannot is an error of
// the usage.
func (s Spec) MethodOf(column string, kind Kind) (Method, error) {
	if m, ok := s.Methods[column]; ok && !m.Compares(kind) {
		return m, fault.New(fault.Usage, "cannot compare column %s by %s: its values are %s", column, m, kind).
			Hint("methods of %s are %s", kind, listWords(methodsOf(kind)))
	}
	fit := make(map[string]Method)
	for key, m := range s.Methods {
		if m.Compares(kind) {
			fit[key] = m
		}
	}
	key, ok := keyFor(fit, column)
	if !ok {
		key = string(kind)
	}
	if m, ok := fit[key]; ok {
		return m, nil
	}
	return PSI, nil
}

// ThresholdOf is the effect from which a column has drifted by a method.
func (s Spec) ThresholdOf(column string, m Method) float64 {
	if m == Missing {
		return s.MissingLimit
	}
	if m == Unseen {
		return s.UnseenLimit
	}
	if key, ok := keyFor(s.Thresholds, column); ok {
		return s.Thresholds[key]
	}
	if s.Threshold != nil {
		return *s.Threshold
	}
	return defaultThreshold
}

// defaultThreshold is that of every method. They are on different scales, and yet 0.1 is where each begins to matter: of PSI the usual
// bound of "some change" (0.25 is "much"), of W1 a tenth of a standard deviation, of Cramér's V what Cohen calls small, and of K-S, TVD
// and L-infinity a tenth of the rows that would have to move. Jensen-Shannon and Hellinger reach it earlier than TVD where rare values
// change, which is why they are chosen.
const defaultThreshold = 0.1

// keyFor finds the key that is meant for a column: its name, else the longest pattern that fits, of equally long ones the first by name.
// The words numbers and categories are kinds, unless a column is called so.
func keyFor[V any](of map[string]V, column string) (string, bool) {
	best, found := "", false
	for key := range of {
		if key == column {
			return key, true
		}
		ok, err := path.Match(key, column)
		if err != nil || !ok {
			continue
		}
		if !found || len(key) > len(best) || len(key) == len(best) && key < best {
			best, found = key, true
		}
	}
	return best, found
}

// Complete checks a specification and fills in defaults. Errors are of the usage, and say what would be right. What is complete stays as
// it is.
func (s Spec) Complete() (Spec, error) {
	for _, check := range []func() error{s.checkWords, s.checkMethods, s.checkNumbers, s.checkPatterns} {
		if err := check(); err != nil {
			return Spec{}, err
		}
	}
	fillIn(&s.Judge, JudgeBoth)
	fillIn(&s.Level, 0.05)
	fillIn(&s.Correction, "bh")
	fillIn(&s.Binning, Atoms)
	fillIn(&s.Bins, 10)
	fillIn(&s.Floor, stats.PSIFloor)
	fillIn(&s.Base, 2)
	fillIn(&s.KSP, "auto")
	fillIn(&s.MaxTexts, 10_000)
	fillIn(&s.MinRows, 30)
	fillIn(&s.MissingLimit, 0.05)
	fillIn(&s.UnseenLimit, 0.01)
	fillIn(&s.Schema, SchemaFail)
	if s.Learn != nil {
		learn := *s.Learn
		fillIn(&learn.Chunks, 10)
		fillIn(&learn.Deviations, 3)
		s.Learn = &learn
	}
	if s.Classifier != nil {
		c := *s.Classifier
		fillIn(&c.MaxAUC, classifierAUC)
		fillIn(&c.Rows, classifierRows)
		s.Classifier = &c
	}
	return s, nil
}

func fillIn[V comparable](at *V, value V) {
	var zero V
	if *at == zero {
		*at = value
	}
}

// grouped is what rows are grouped by, as it is shown: "day", a column, or "" where they count as independent.
func (s Spec) grouped() string {
	switch {
	case s.Cluster != "":
		return s.Cluster
	case s.Time != "":
		return "day"
	}
	return ""
}

func isNumber(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// listWords lists names as a person does: "psi, ks and tvd".
func listWords[S ~string](names []S) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = string(name)
	}
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	last := len(all) - 1
	return strings.Join(all[:last], ", ") + " and " + all[last]
}
