package main

import (
	"os"
	"path/filepath"

	"mlx/bench/internal/measure"
)

// startup measures commands whose work is nothing: what is left is the start of the process.
func (b *bench) startup() error {
	p, err := b.newProject("startup", "data")
	if err != nil {
		return err
	}
	file := filepath.Join(p.root, p.data, "one.csv")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte("a,b\n1,2\n"), 0o644); err != nil {
		return err
	}
	if _, err := measure.Run(p.save("mlx")); err != nil {
		return err
	}
	peer, err := b.peer("dvc")
	if err != nil {
		return err
	}
	if peer != "" {
		if err := p.fresh("dvc"); err != nil {
			return err
		}
	}
	for _, c := range []struct {
		ours   string
		theirs []string
		bar    float64
	}{
		{"version", []string{"--version"}, 15},
		{"status", []string{"status", "-q"}, 25},
		{"log", nil, 25},
	} {
		cost, err := measure.Lowest(20, nil, p.command(b.mlx, c.ours))
		if err != nil {
			return err
		}
		line := measure.Line{Measure: "startup: " + c.ours + ", CPU", Value: cost.CPU * 1000, Unit: "ms", Bar: c.bar}
		if peer != "" && c.theirs != nil {
			theirs, err := measure.Lowest(3, nil, p.command(append([]string{peer}, c.theirs...)...))
			if err != nil {
				return err
			}
			line.Peer, line.Theirs = "dvc "+c.theirs[0], theirs.CPU*1000
		}
		b.report.Add(line)
	}
	return nil
}
