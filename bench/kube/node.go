//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"mlx/internal/kube"
)

// node says of every pod that nobody runs that it is ready, as a kubelet would, until ctx ends.
func (b *bench) node(ctx context.Context) {
	cache := b.client.Cache(kube.Select{Fields: "spec.schedulerName=" + nobody})
	defer cache.Close()
	const label, value = "app.kubernetes.io/managed-by", "mlx"
	changed, end := cache.Hear(kube.Pods, label, value)
	defer end()
	known := map[string]bool{}
	for ctx.Err() == nil {
		pods, err := cache.Get(ctx, kube.Pods, label, value)
		for _, item := range pods {
			if known[item.Name] || err != nil {
				continue
			}
			err = b.ready(ctx, item.Name, len(known))
			known[item.Name] = err == nil
		}
		if err != nil && ctx.Err() == nil {
			fmt.Println("the node goes on after:", err)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-time.After(time.Second): // what went wrong is tried again
		}
	}
}

// ready writes the status of a pod. Its meter does not run.
func (b *bench) ready(ctx context.Context, name string, number int) error {
	now := time.Now().UTC().Format(time.RFC3339)
	var conditions []map[string]any
	for _, kind := range []string{"PodScheduled", "Initialized", "ContainersReady", "Ready"} {
		conditions = append(conditions, map[string]any{"type": kind, "status": "True", "lastTransitionTime": now})
	}
	address := fmt.Sprintf("10.88.%d.%d", 100+number/250, 1+number%250)
	status := map[string]any{"phase": "Running", "conditions": conditions, "podIP": address, "podIPs": []map[string]any{{"ip": address}}}
	err := b.client.Merge(ctx, kube.Resource{Version: "v1", Plural: "pods/" + name}, "status", map[string]any{"status": status}, nil)
	if kube.Missing(err) {
		return nil
	}
	return err
}
