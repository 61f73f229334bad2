package kube

import (
	"context"
	"errors"
	"io"
	"slices"

	"mlx/internal/kube"
)

// maxPrinted bounds how many lines of a container are read.
const maxPrinted = 100_000

// Printed reads what the containers of a release have printed in the pods that are there, but for those of mlx: of one that was started again, what
// it printed before, too. each gets the name of the pod and container.
func (v *Driver) Printed(ctx context.Context, key string, each func(name string, text io.Reader) error) error {
	pods, err := v.pods(ctx)
	if err != nil {
		return err
	}
	for _, p := range pods {
		if !p.of(key) {
			continue
		}
		for _, c := range slices.SortedFunc(slices.Values(p.Status.Containers), func(a, b container) int { return len(a.Name) - len(b.Name) }) {
			if c.Name == meterName {
				continue
			}
			if err := v.printed(ctx, p.Metadata.Name, c, each); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *Driver) printed(ctx context.Context, pod string, c container, each func(name string, text io.Reader) error) error {
	for _, previous := range []bool{true, false} {
		if previous && c.Restarts == 0 || !previous && c.State.Waiting != nil {
			continue
		}
		text, err := v.client.Logs(ctx, pod, kube.LogOptions{Container: c.Name, Previous: previous, Tail: maxPrinted})
		if previous && kube.Missing(err) {
			continue // the node has thrown it away
		}
		if err != nil {
			return v.explain(err, kube.Pods)
		}
		err = each(pod+"/"+c.Name, text)
		if err = errors.Join(err, text.Close()); err != nil {
			return err
		}
	}
	return nil
}
