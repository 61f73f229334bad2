package deploy

import (
	"fmt"

	"mlx/internal/gate"
)

// lostBelieved is the share of the requests that may be known of by their number alone, for anything to be told from the others.
const lostBelieved = 0.05

// lost says how many requests of a sample are known of by their number alone; false: none.
func lost(s Sample) (gate.Finding, bool) {
	f := gate.Finding{Name: "counted", Subject: KindMeasure, Severity: gate.SeverityFail, Unit: "share", Needs: "at least " + percent(1-lostBelieved), Verdict: gate.Pass}
	worst := share{}
	whose := ""
	for _, arm := range []struct {
		name string
		c    Counters
	}{{"the candidate", s.Candidate}, {"stable", s.Stable}} {
		one := share{arm.c.Lost, arm.c.Lost + arm.c.Ended()}
		if one.k > 0 && (whose == "" || one.value() > worst.value()) {
			worst, whose = one, arm.name
		}
	}
	if whose == "" {
		return f, false
	}
	f.Value, f.Rows = finite(1-worst.value()), &worst.n
	f.Shown = fmt.Sprintf("%s: of %s of %s requests of %s no log line came", percent(1-worst.value()), group(worst.k), group(worst.n), whose)
	if worst.value() > lostBelieved {
		f.Verdict = gate.Inconclusive
	}
	return f, true
}
