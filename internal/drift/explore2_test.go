package drift

import (
	"os"
	"testing"
	"time"
)

func TestWho(t *testing.T) {
	if os.Getenv("WHO") == "" {
		t.Skip()
	}
	a := alarmed{columns: 60, reference: 60, rows: 7, day: 40, effect: 1, shrink: 0.1}
	spec, _ := Spec{Cluster: "day", Judge: "p"}.Complete()
	n := map[string]int{}
	for s := range 30 {
		ans := a.compared(t, uint64(s)).Judge(spec, time.Unix(0, 0))
		for i, c := range ans.Columns {
			if c.Verdict == Drift {
				n[string(c.Method)+" "+string(rune('a'+i%12))]++
			}
		}
	}
	t.Log(n)
}
