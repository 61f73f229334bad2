//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/run"
	"mlx/internal/snapshot"
	"mlx/internal/tracking"
)

const host = "bench"

func openIn(dir string) (tracking.Options, error) {
	ledger, err := lineage.Open(lineage.Options{Dir: filepath.Join(dir, "ledger"), Now: time.Now, By: "bench", Host: host, PID: os.Getpid()})
	if err != nil {
		return tracking.Options{}, err
	}
	store, err := snapshot.Open(snapshot.Options{
		Dir: filepath.Join(dir, "store"), Index: filepath.Join(dir, "index"), Now: time.Now,
		Clone: snapshot.Clone{ID: strings.Repeat("0", 32), Dir: dir},
	})
	runs := filepath.Join(dir, "runs")
	return tracking.Options{
		Runner:  run.Runner{Ledger: ledger, Store: store, Now: time.Now, Host: host, Tmp: filepath.Join(dir, "tmp"), Runs: runs},
		History: run.History{Ledger: ledger, Host: host, Now: time.Now, Runs: runs}, Ledger: ledger, Store: store, Now: time.Now,
		Registry: registry.Registry{Ledger: ledger, Now: time.Now}, Dir: filepath.Join(dir, "tracking"),
		Base: run.Body{Folder: ".", Worktree: "main", Process: run.Self(host, os.Getpid()), Machine: run.Machine{Host: host, CPUs: 2}},
	}, err
}

// serve is the endpoint as a process.
func serve(dir string) error {
	o, err := openIn(dir)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	debug.SetGCPercent(40) // as mlx server
	fmt.Println("http://" + l.Addr().String())
	server := http.Server{Handler: tracking.New(o), ReadHeaderTimeout: time.Minute}
	return server.Serve(l)
}

// fill writes runs with 5 parameters, 5 metrics and 5 tags each.
func fill(ctx context.Context, dir string, n int) error {
	o, err := openIn(dir)
	if err != nil {
		return err
	}
	return errors.Join(fillLedger(ctx, o, n), o.Ledger.Close())
}

func fillLedger(ctx context.Context, o tracking.Options, n int) error {
	const group = 500
	for at := 0; at < n; at += group {
		var begun []lineage.Draft
		var bodies []run.Body
		for i := at; i < min(n, at+group); i++ {
			b := body(o.Base, i)
			bodies = append(bodies, b)
			b.Params, b.Metrics = nil, nil
			begun = append(begun, run.Started.Draft(lineage.Entry[run.Body]{Body: b}))
		}
		recs, err := o.Ledger.AppendAll(ctx, begun...)
		if err != nil {
			return err
		}
		var ended []lineage.Draft
		for i, b := range bodies {
			at := b.StartedAt.Add(time.Minute)
			b.Run, b.State, b.EndedAt = &recs[i].ID, run.Succeeded, &at
			ended = append(ended, run.Ended.Draft(lineage.Entry[run.Body]{Body: b, Prev: []object.Digest{recs[i].ID}}))
		}
		if _, err := o.Ledger.AppendAll(ctx, ended...); err != nil {
			return err
		}
	}
	return nil
}

func body(base run.Body, i int) run.Body {
	b := base
	b.State, b.Command, b.Name, b.Attempt = run.Running, []string{"python", "train.py"}, fmt.Sprintf("run-%d", i), 1
	b.StartedAt = time.UnixMilli(1790000000000 + int64(i)*1000).UTC()
	b.Params, b.Metrics = map[string]any{}, map[string]any{}
	b.Tracking = &run.Tracking{User: "root", Status: "FINISHED", Tags: map[string]string{}, Latest: map[string]run.Point{}}
	for k := range 5 {
		b.Params[fmt.Sprintf("p%d", k)] = float64((i * (k + 3)) % 17)
		m := fmt.Sprintf("m%d", k)
		b.Metrics[m] = float64((i*7919+k*104729)%10007) / 10007
		b.Tracking.Latest[m] = run.Point{MS: 1790000000000 + int64(i)}
		b.Tracking.Tags[fmt.Sprintf("t%d", k)] = fmt.Sprintf("v%d", (i+k)%5)
	}
	return b
}

// fill writes the same runs to a server that is not ours.
func (b *bench) fill(n int) error {
	for i := range n {
		id, err := b.newRun()
		if err != nil {
			return err
		}
		var params, metrics, tags []string
		for k := range 5 {
			params = append(params, fmt.Sprintf(`{"key":"p%d","value":"%d"}`, k, (i*(k+3))%17))
			metrics = append(metrics, fmt.Sprintf(`{"key":"m%d","value":%v,"timestamp":1,"step":0}`, k, float64((i*7919+k*104729)%10007)/10007))
			tags = append(tags, fmt.Sprintf(`{"key":"t%d","value":"v%d"}`, k, (i+k)%5))
		}
		if _, err := b.ask("POST", "runs/log-batch", fmt.Sprintf(`{"run_id":%q,"params":[%s],"metrics":[%s],"tags":[%s]}`, id,
			strings.Join(params, ","), strings.Join(metrics, ","), strings.Join(tags, ","))); err != nil {
			return err
		}
	}
	return nil
}
