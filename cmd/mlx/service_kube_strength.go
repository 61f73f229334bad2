package main

import (
	"context"
	"encoding/json"
	"strconv"

	"mlx/internal/deploy"
	deploykube "mlx/internal/deploy/kube"
	"mlx/internal/fault"
)

// strong has the meter of every pod warm its own server up, and put it under its part of the load: what is measured is not the way from here to
// there. One that does not hold it is enough.
func (k *kubeTarget) strong(ctx context.Context, of strength) (deploy.Judgement, error) {
	v, err := k.open(ctx)
	if err != nil {
		return deploy.Judgement{}, err
	}
	told, err := v.Beside(ctx, of.Key, []string{"agent", "strength", "--target", strconv.Itoa(deploykube.ServerPort)}, func(pods int) ([]byte, error) {
		of.Rate /= float64(pods)
		return json.Marshal(of)
	})
	if err != nil {
		return deploy.Judgement{}, err
	}
	names, said := make([]string, len(told)), make([]strengthSaid, len(told))
	for i, one := range told {
		names[i] = "pod " + one.Pod
		if err := json.Unmarshal(one.Text, &said[i]); err != nil {
			return deploy.Judgement{}, fault.New(fault.Integrity, "cannot read what %s says of the strength of its server: %w", names[i], err).
				Hint("kubernetes: {agent: …}   # an mlx of this version in the pods")
		}
	}
	return strongTogether(names, said), nil
}
