//go:build interop

package drift

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestInteropStreams holds every row at which a detector finds a change against river.
func TestInteropStreams(t *testing.T) {
	python := os.Getenv("MLX_TEST_STREAMS")
	if python == "" {
		t.Fatal("MLX_TEST_STREAMS is not set: export MLX_TEST_STREAMS=$(.ci/python cmd/mlx/testdata/python/streams.txt)")
	}
	streams := map[string][]float64{}
	for seed := uint64(1); seed < 25; seed++ {
		streams[fmt.Sprint("errors ", seed)] = streamErrors(seed)
		streams[fmt.Sprint("numbers ", seed)] = streamNumbers(seed)
	}
	asked, err := json.Marshal(streams)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), python, "testdata/streams.py")
	command.Stdin, command.Stderr = bytes.NewReader(asked), os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	var theirs map[string]map[string][]int
	if err := json.Unmarshal(out, &theirs); err != nil {
		t.Fatal(err)
	}
	for name, values := range streams {
		for detector, want := range theirs[name] {
			method := map[string]string{"up": "page_hinkley", "both": "page_hinkley"}[detector]
			if method == "" {
				method = detector
			}
			if got := found(Stream{Method: method}, values, detector != "up"); !slices.Equal(got, want) {
				t.Errorf("%s, %s: %v, river %v", name, detector, got, want)
			}
		}
		if len(theirs[name]) < 3 {
			t.Errorf("%s: river said nothing", name)
		}
	}
}

// TestInteropEstimates holds estimates without labels against NannyML: of scores that mean what they say and of some that do not.
func TestInteropEstimates(t *testing.T) {
	python := os.Getenv("MLX_TEST_DRIFT")
	if python == "" {
		t.Fatal("MLX_TEST_DRIFT is not set: export MLX_TEST_DRIFT=$(.ci/python cmd/mlx/testdata/python/drift.txt)")
	}
	for _, power := range []float64{1, 2.5} {
		folder := t.TempDir()
		u := uniform{uint64(power * 10)}
		var reference, current strings.Builder
		reference.WriteString("score,label\n")
		current.WriteString("score\n")
		then, now := &labelledRows{task: ofTwo}, scoredRows{}
		for range 5000 {
			score, label := u.next(), 0.0
			if u.next() < math.Pow(score, power) {
				label = 1
			}
			then.score, then.actual = append(then.score, score), append(then.actual, label)
			then.right = append(then.right, (score >= 0.5) == (label == 1))
			fmt.Fprintf(&reference, "%v,%v\n", score, label)
		}
		for range 2000 {
			score := 0.3 + 0.6*u.next()
			now.score, now.positive = append(now.score, score), append(now.positive, score >= 0.5)
			fmt.Fprintf(&current, "%v\n", score)
		}
		for name, text := range map[string]string{"reference": reference.String(), "current": current.String()} {
			if err := os.WriteFile(filepath.Join(folder, name+".csv"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		command := exec.CommandContext(t.Context(), python, "testdata/cbpe.py", folder)
		command.Stderr = os.Stderr
		out, err := command.Output()
		if err != nil {
			t.Fatal(err)
		}
		var theirs struct {
			Calibrated bool
			Accuracy   struct{ Value, Lower, SE float64 }
			AUC        struct{ Value, Lower, SE float64 } `json:"roc_auc"`
		}
		if err := json.Unmarshal(out, &theirs); err != nil {
			t.Fatal(err)
		}
		e := newEstimator(then)
		if power != 1 && (e.calibration == nil || !theirs.Calibrated) {
			t.Errorf("power %v: calibrated here %v, there %v", power, e.calibration != nil, theirs.Calibrated)
		}
		// Whether calibration helps scores that are right already is a matter of which rows are drawn.
		if e.calibration = nil; theirs.Calibrated {
			f := fitIsotonic(then.score, then.actual)
			e.calibration = &f
		}
		accuracy, se := e.estimate("accuracy", now)
		auc, _ := e.estimate("roc_auc", now)
		for _, c := range []struct {
			what            string
			got, want, near float64
		}{
			{"accuracy", accuracy, theirs.Accuracy.Value, 1e-9}, {"its error", se, theirs.Accuracy.SE, 1e-9},
			{"its threshold", e.thresholds["accuracy"][0], theirs.Accuracy.Lower, 1e-9},
			{"ROC-AUC", auc, theirs.AUC.Value, 1e-6}, // NannyML rounds to 5 digits on its way
			{"its threshold", e.thresholds["roc_auc"][0], theirs.AUC.Lower, 1e-9},
		} {
			if math.Abs(c.got-c.want) > c.near {
				t.Errorf("power %v, %s: %v, NannyML %v", power, c.what, c.got, c.want)
			}
		}
	}
}
