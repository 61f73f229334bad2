package main

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/repo"
)

// driftMethods are the words of --method.
func driftMethods() []string {
	return []string{"psi", "ks", "wasserstein", "js", "hellinger", "chi2", "tvd", "linf"}
}

// kindsOf are the kinds of column that a method can measure.
func kindsOf(m drift.Method) []drift.Kind {
	return slices.DeleteFunc([]drift.Kind{drift.Numbers, drift.Categories}, func(k drift.Kind) bool { return !m.Compares(k) })
}

// driftSetting is --method or --threshold taken apart: what it says of which columns.
type driftSetting struct {
	columns   string // a name, a pattern, numbers or categories; empty: all
	method    drift.Method
	threshold *float64
}

// readSettings reads --method and --threshold.
func (o *driftOptions) readSettings() error {
	for _, word := range o.methods {
		s := driftSetting{}
		s.columns, s.method = splitSetting[drift.Method](word)
		if !slices.Contains(driftMethods(), string(s.method)) {
			err := fault.New(fault.Usage, "cannot measure by %q", string(s.method))
			if near := fault.Nearest(string(s.method), driftMethods()); near != "" {
				return err.Hint("did you mean --method %s?", near)
			}
			return err.Hint("--method %s", strings.Join(driftMethods(), ", "))
		}
		o.settings = append(o.settings, s)
	}
	for _, word := range o.thresholds {
		columns, text := splitSetting[string](word)
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) || x < 0 {
			return fault.New(fault.Usage, "cannot read the threshold %q", text).Hint("--threshold 0.2")
		}
		o.settings = append(o.settings, driftSetting{columns: columns, threshold: &x})
	}
	return nil
}

func splitSetting[T ~string](word string) (columns string, value T) {
	if at := strings.LastIndexByte(word, '='); at >= 0 {
		return word[:at], T(word[at+1:])
	}
	return "", T(word)
}

// spec is how the two tables of the command line are compared.
func (o driftOptions) spec() (drift.Spec, error) {
	s := drift.Spec{Columns: o.columns, Ignore: o.ignore, Cluster: o.cluster, Time: o.time, TimeZone: o.zone}
	for _, setting := range o.settings {
		switch {
		case setting.method != "":
			measure(&s, setting.columns, setting.method)
		case setting.columns != "":
			if s.Thresholds == nil {
				s.Thresholds = map[string]float64{}
			}
			s.Thresholds[setting.columns] = *setting.threshold
		default:
			s.Threshold = setting.threshold
		}
	}
	return s.Complete()
}

// measure lets a method measure columns: of all those that it can.
func measure(s *drift.Spec, columns string, m drift.Method) {
	if s.Methods == nil {
		s.Methods = map[string]drift.Method{}
	}
	if columns != "" {
		s.Methods[columns] = m
		return
	}
	for _, kind := range kindsOf(m) {
		s.Methods[string(kind)] = m
	}
}

// monitorSpec is how a monitor compares.
func monitorSpec(m repo.Monitor) (drift.Spec, error) {
	s := drift.Spec{
		Columns: m.Columns, Ignore: m.Ignore, Categories: m.Categories, Judge: m.Judge, Level: m.Level.Value, Correction: m.Correction,
		Binning: drift.Binning(m.Binning), Bins: m.Bins, Floor: m.Floor, NullBin: m.NullBin, MaxTexts: m.MaxTexts,
		Base: float64(m.Base), KSP: m.KSP, Yates: m.Yates, Cluster: m.Cluster, Time: m.Time, TimeZone: m.TimeZone,
		Seed: int64(m.Seed), MinRows: int64(m.MinRows), MaxDrifted: m.MaxDrifted.Value, MissingLimit: anyShare(m.Missing),
		UnseenLimit: anyShare(m.Unseen), Freshness: m.Freshness.Seconds(), Schema: m.Schema, Key: m.Key,
		Volume: setShare(m.Volume), Duplicates: setShare(m.Duplicates), Thresholds: limitsOf(m.Thresholds), Weights: limitsOf(m.Weights.Of),
	}
	if m.Method != "" {
		measure(&s, "", drift.Method(m.Method))
	}
	for columns, word := range m.Methods.All() {
		measure(&s, columns, drift.Method(word))
	}
	if m.Threshold.Set {
		s.Threshold = &m.Threshold.Value
	}
	if m.Learn.At.Line > 0 {
		s.Learn = &drift.Learn{Chunks: m.Learn.Chunks, Deviations: m.Learn.Deviations}
	}
	if m.Classifier.At.Line > 0 {
		s.Classifier = &drift.Classifier{MaxAUC: m.Classifier.MaxAUC, Rows: m.Classifier.Rows}
	}
	return s.Complete()
}

// anyShare is a limit of which absent means the default: 0% is written as next to nothing.
func anyShare(s repo.Share) float64 {
	if s.Set && s.Value == 0 {
		return math.SmallestNonzeroFloat32
	}
	return s.Value
}

func setShare(s repo.Share) *float64 {
	if !s.Set {
		return nil
	}
	return &s.Value
}

func limitsOf(m repo.Map[repo.Limit]) map[string]float64 {
	if m.Len() == 0 {
		return nil
	}
	all := map[string]float64{}
	for name, l := range m.All() {
		all[name] = l.Value
	}
	return all
}
