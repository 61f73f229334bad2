package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"mlx/internal/cli"
	"mlx/internal/run"
)

// Beside a long command a narrow terminal still shows what a run has measured; a program gets the whole command.
func TestJobListNarrow(t *testing.T) {
	long := []string{"python", "train.py", strings.Repeat("x", 200)}
	jobs := []job{{view: run.View{State: run.Running, Command: long, Metrics: map[string]run.Number{"auc": 0.75}}}}
	for _, tty := range []bool{true, false} {
		var out bytes.Buffer
		a := &app{streams: &cli.Streams{Out: &out, OutTTY: tty}, now: time.Now}
		if tty {
			a.streams.Width = 90
		}
		if err := a.printJobs(jobs); err != nil {
			t.Fatal(err)
		}
		if text := out.String(); !strings.Contains(text, "auc") || strings.Contains(text, long[2]) == tty {
			t.Errorf("terminal %v:\n%s", tty, text)
		}
	}
}
