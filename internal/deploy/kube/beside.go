package kube

import (
	"bytes"
	"context"
	"strings"
	"sync"

	"mlx/internal/fault"
	"mlx/internal/kube"
)

// Told is what a program has printed that was executed beside the server of a pod.
type Told struct {
	Pod  string
	Text []byte
}

// ServerPort is the port of 127.0.0.1 at which the server of a pod answers.
const ServerPort = portServer

// maxTold bounds what such a program prints.
const maxTold = 1 << 20

// Beside executes mlx with these words in the meter of each pod of a release that is ready, at once, and gives it what stdin says for so many pods:
// what is beside a server reaches it, and whoever runs mlx need not. The pods are in the order of their names; there may be none.
func (v *Driver) Beside(ctx context.Context, key string, words []string, stdin func(pods int) ([]byte, error)) ([]Told, error) {
	pods, err := v.pods(ctx)
	if err != nil {
		return nil, err
	}
	var all []Told
	for _, p := range pods {
		if p.of(key) && p.ready() && p.metered() {
			all = append(all, Told{Pod: p.Metadata.Name})
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	text, err := stdin(len(all))
	if err != nil {
		return nil, fault.New(fault.Internal, "cannot write what is asked in pods: %w", err)
	}
	errs := make([]error, len(all))
	var each sync.WaitGroup
	slots := make(chan struct{}, scraped)
	for i := range all {
		each.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			all[i].Text, errs[i] = v.execute(ctx, all[i].Pod, words, text)
		})
	}
	each.Wait()
	if err := firstOf(errs); err != nil {
		return nil, err
	}
	return all, nil
}

func (v *Driver) execute(ctx context.Context, pod string, words []string, stdin []byte) ([]byte, error) {
	command := kube.Command{Pod: pod, Container: meterName, Argv: append([]string{agentPath}, words...)}
	out, said, status, err := v.client.Run(ctx, command, bytes.NewReader(stdin), maxTold)
	if err == nil && status != 0 {
		err = fault.New(fault.Unavailable, "cannot ask the server of pod %s: %s ended with status %d: %s", pod, meterName, status, strings.TrimSpace(string(said)))
	}
	return out, err
}
