package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"mlx/internal/audit"
	"mlx/internal/cli"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// predictedMain answers requests of a service as a router does that keeps them: predicted [-shift KM] [-kill] SERVICE FROM COUNT ID. One
// comes each minute. With -kill the process ends in the middle of its work, once all are on the disk.
func predictedMain() {
	shift := flag.Float64("shift", 0, "how much longer the distances are")
	kill := flag.Bool("kill", false, "end without a word")
	forge := flag.Bool("forge", false, "record a segment that does not follow the last one, and do nothing else")
	flag.Parse()
	a := newApp(nil, cli.Open(os.Stdin, os.Stdout, os.Stderr, os.Getenv))
	var err error
	if *forge {
		err = forgePredictions(context.Background(), a, flag.Arg(0))
	} else {
		err = predicted(a, *shift, *kill, flag.Args())
	}
	if err != nil {
		os.Exit(a.streams.Fail(err))
	}
	a.close()
}

func forgePredictions(ctx context.Context, a *app, service string) error {
	l, err := a.ledger()
	if err != nil {
		return err
	}
	all, err := audit.Entries(ctx, l, service)
	if err != nil {
		return err
	}
	body := all[len(all)-1].Sealed
	body.Number += 2
	_, err = audit.SegmentSealed.Append(ctx, l, lineage.Entry[audit.Sealed]{Body: body})
	return err
}

func predicted(a *app, shift float64, kill bool, args []string) error {
	config, err := a.config()
	if err != nil {
		return err
	}
	service, _ := config.Services.Get(args[0])
	o, err := a.predictionOptions(args[0], service)
	if err != nil {
		return err
	}
	o.Flush = 10 * time.Millisecond
	w, err := audit.Open(context.Background(), o)
	if err != nil {
		return err
	}
	from, err := time.Parse(time.RFC3339, args[1])
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	release := &audit.Release{Key: object.Sum([]byte("release")).Hex(), Model: "flights", Version: 3, Digest: object.Sum([]byte("model"))}
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range n {
		p := audit.Prediction{ID: fmt.Sprintf("%s-%d", args[3], i), At: from.Add(time.Duration(i) * time.Minute), Role: "stable", Release: release, Status: 200,
			Request: audit.Body{Type: "application/json", Bytes: fmt.Appendf(nil, `{"distance":%.1f,"carrier":%q,"email":"ana%d@example.com"}`, 500+shift+100*r.NormFloat64(), []string{"AA", "DL"}[r.IntN(2)], i)},
			Answer:  audit.Body{Type: "application/json", Bytes: fmt.Appendf(nil, `{"score":%.3f}`, r.Float64())}}
		if err := w.Add(p); err != nil {
			return err
		}
	}
	if !kill {
		return w.Close(context.Background())
	}
	for w.Stats().Rows < int64(n) {
		time.Sleep(time.Millisecond)
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	return self.Kill()
}
