package main

import (
	"context"
	"time"

	"mlx/internal/run"
	"mlx/internal/train"
)

// collectAgain is collect that is repeated while the connection breaks, until somebody has seen enough of it.
func (j *onJob) collectAgain(ctx context.Context, links *onLinks, last sight) (run.View, error) {
	told := ""
	for tries := 0; ; tries++ {
		v, err := j.collect(context.WithoutCancel(ctx), links, last)
		if err == nil || !links.broke(j, err) {
			return v, err
		}
		links.drop(j)
		if words := err.Error(); words != told {
			told = words
			j.app.streams.Note("cannot reach %s, trying again; the results of run %s stay there: %s", j.name, j.id.Short(), words)
		}
		select {
		case <-ctx.Done():
			return v, err
		case <-time.After(train.Pause(tries, retryMost)):
		}
	}
}
