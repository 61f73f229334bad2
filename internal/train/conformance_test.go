package train

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// slowToClean is a bench on which every command succeeds, and something is left of a run for as many looks.
type slowToClean struct {
	Bench
	looks int
}

func (*slowToClean) MLX(context.Context, Call) (Said, error) { return Said{}, nil }

func (b *slowToClean) Shows(context.Context, Ref) (string, error) {
	if b.looks--; b.looks < 0 {
		return "", nil
	}
	return "process 12\n", nil
}

// TestCleanTellsOfTheLastLook: what was gone a moment later is no part of the finding.
func TestCleanTellsOfTheLastLook(t *testing.T) {
	const clean = "no process, object, entry of a queue or uncollected folder is left of any run"
	for _, c := range []struct {
		looks         int
		verdict, text string
	}{{0, "pass", clean}, {1, "pass", clean}, {3, "fail", "left behind: process 12"}} {
		synctest.Test(t, func(t *testing.T) {
			f, err := Conformance()[15].Try(t.Context(), Trial{Bench: &slowToClean{looks: c.looks}}, time.Now)
			if err != nil || f.Case != "clean" || f.Verdict != c.verdict || f.Text != c.text {
				t.Errorf("after %d looks: %+v, %v", c.looks, f, err)
			}
		})
	}
}
