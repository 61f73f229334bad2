package drift

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/fault"
)

func TestComplete(t *testing.T) {
	half, minus, nan := 0.5, -1.0, math.NaN()
	for _, c := range []struct {
		name string
		spec Spec
		want string // of the error and its hints
	}{
		{"nothing", Spec{}, ""},
		{"threshold", Spec{Threshold: &half, Methods: map[string]Method{"numbers": KS, "categories": Chi2, "temp_*": Wasserstein}}, ""},
		{"method", Spec{Methods: map[string]Method{"a": "kss"}}, `there is no method "kss": did you mean "ks"?`},
		{"chi2 of numbers", Spec{Methods: map[string]Method{"numbers": Chi2}}, "cannot compare numbers by chi2: methods of numbers are psi, ks,"},
		{"ks of categories", Spec{Methods: map[string]Method{"categories": KS}}, "cannot compare categories by ks: methods of categories are psi, js,"},
		{"judge", Spec{Judge: "botth"}, `there is no way to judge "botth": did you mean "both"?`},
		{"correction", Spec{Correction: "fdr"}, `there is no correction "fdr": there are bh, holm, bonferroni and none`},
		{"binning", Spec{Binning: "quantiles"}, `did you mean "quantile"?`},
		{"ks p", Spec{KSP: "exakt"}, `did you mean "exact"?`},
		{"schema", Spec{Schema: "warning"}, `did you mean "warn"?`},
		{"zone", Spec{TimeZone: "Mars/Olympus"}, `there is no time zone "Mars/Olympus"`},
		{"level", Spec{Level: 5}, "level is 5: it is a share between 0 and 0.5"},
		{"bins", Spec{Bins: 1}, "bins is 1: it is 2 to 1000"},
		{"negative threshold", Spec{Threshold: &minus}, "threshold is -1: it is a number of at least 0"},
		{"no number", Spec{Volume: &nan}, "volume is NaN"},
		{"threshold of a column", Spec{Thresholds: map[string]float64{"a": math.Inf(1)}}, "the threshold of a is +Inf"},
		{"weight", Spec{Weights: map[string]float64{"a": -1}}, "the weight of a is -1"},
		{"chunks", Spec{Learn: &Learn{Chunks: 2}}, "chunks is 2: it is 3 to 10000"},
		{"auc", Spec{Classifier: &Classifier{MaxAUC: 0.4}}, "max_auc is 0.4"},
		{"pattern", Spec{Columns: []string{"a["}}, `"a[" is neither a name nor a pattern`},
		{"base", Spec{Base: 1}, "base is 1"},
	} {
		done, err := c.spec.Complete()
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			if again, err := done.Complete(); err != nil || !cmp.Equal(again, done) {
				t.Errorf("%s: not the same when completed again: %v %s", c.name, err, cmp.Diff(done, again))
			}
			continue
		}
		if err == nil || fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: %v is no error of the usage", c.name, err)
			continue
		}
		if text := err.Error() + ": " + strings.Join(fault.Hints(err), "; "); !strings.Contains(text, c.want) {
			t.Errorf("%s: %q lacks %q", c.name, text, c.want)
		}
	}
}

func TestCompleteChangesNothingOfTheCaller(t *testing.T) {
	s := Spec{Learn: &Learn{}, Classifier: &Classifier{}}
	done, err := s.Complete()
	if err != nil || s.Learn.Chunks != 0 || s.Classifier.Rows != 0 || done.Learn.Chunks != 10 || done.Classifier.MaxAUC != 0.65 {
		t.Errorf("%+v %+v %v", s, done, err)
	}
}

func TestMethodOf(t *testing.T) {
	s := Spec{Methods: map[string]Method{"numbers": KS, "temp*": Wasserstein, "temp_in*": JensenShannon, "temp_inner": TVD, "code": Chi2}}
	for column, want := range map[string]Method{"wind": KS, "temp": Wasserstein, "temp_in": JensenShannon, "temp_inner": TVD} {
		if got, err := s.MethodOf(column, Numbers); got != want || err != nil {
			t.Errorf("%s: %s, not %s (%v)", column, got, want, err)
		}
	}
	if got, err := s.MethodOf("tempers", Categories); got != PSI || err != nil {
		t.Errorf("a pattern of numbers: %s %v", got, err)
	}
	if got, err := s.MethodOf("carrier", Categories); got != PSI || err != nil {
		t.Errorf("categories: %s %v", got, err)
	}
	if _, err := s.MethodOf("code", Numbers); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "cannot compare column code by chi2: its values are numbers") {
		t.Errorf("chi2 of numbers: %v", err)
	}
}

func TestThresholdOf(t *testing.T) {
	half := 0.5
	s := Spec{Thresholds: map[string]float64{"a*": 0.2}, MissingLimit: 0.05}
	if got := s.ThresholdOf("abc", KS); got != 0.2 {
		t.Errorf("pattern: %v", got)
	}
	if got := s.ThresholdOf("b", KS); got != 0.1 {
		t.Errorf("default: %v", got)
	}
	s.Threshold = &half
	if got := s.ThresholdOf("b", PSI); got != 0.5 {
		t.Errorf("of all: %v", got)
	}
	if got := s.ThresholdOf("abc", Missing); got != 0.05 {
		t.Errorf("missing: %v", got)
	}
}
