package sky

import (
	"context"
	"os"
	"strconv"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/train"
)

// Price asks what a job would cost in an hour, in USD, without getting anything. 0: SkyPilot does not say.
func (d *Driver) Price(ctx context.Context, j train.Job) (float64, error) {
	dir, err := os.MkdirTemp("", "mlx-sky-")
	if err != nil {
		return 0, fault.New(fault.KindOf(err), "cannot ask for the price of job %s: %w", j.Name(), err)
	}
	defer os.RemoveAll(dir)
	j.Order = nil
	file, err := d.prepare(dir, j)
	if err != nil {
		return 0, err
	}
	out, err := d.sky(ctx, askTime, append(d.launch(j), "--dryrun", file)...)
	if err != nil {
		return 0, err
	}
	return parsePrice(out.stdout + "\n" + out.stderr), nil
}

// parsePrice reads the table of offers: the column COST ($) of the row that SkyPilot chose.
func parsePrice(text string) float64 {
	lines := strings.Split(plain(text), "\n")
	at, end := -1, 0
	for _, l := range lines {
		switch {
		case strings.Contains(l, "COST ($)"):
			head := []rune(l)
			at = len([]rune(l[:strings.Index(l, "COST ($)")]))
			end = at
			for end < len(head) && !strings.HasPrefix(string(head[end:]), "CHOSEN") {
				end++
			}
		case at >= 0 && strings.Contains(l, "✔"):
			row := []rune(l)
			if len(row) < end {
				return 0
			}
			price, err := strconv.ParseFloat(strings.TrimSpace(string(row[at:end])), 64)
			if err != nil || price < 0 || price > 1e6 {
				return 0
			}
			return price
		}
	}
	return 0
}
