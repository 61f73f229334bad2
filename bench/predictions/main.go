//go:build unix

// Command predictions measures what the log of predictions costs the process that answers: CPU and memory beside a process that makes the
// same predictions and keeps none, at a steady rate and as fast as it can; and how long it takes to find one of many.
//
//	go run ./bench/predictions
//	... -rate 1000 -for 10s -many 1000000
//
// The bars: at 1,000 predictions a second with 12 features nothing is lost at a clean stop, and a prediction costs at most 12 µs of CPU, a
// tenth of what the router takes for a request. What comes faster than it can be written is dropped and counted, in bounded memory.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mlx/bench/internal/measure"
	"mlx/internal/audit"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

func main() {
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, "predictions:", err)
		os.Exit(1)
	}
}

type options struct {
	child  string // what a process of its own does
	policy string
	dir    string
	rate   int
	times  int
	many   int
	last   time.Duration
}

func start() error {
	var o options
	flag.StringVar(&o.child, "child", "", "run one row: used by the program itself")
	flag.StringVar(&o.policy, "policy", "", "of the row")
	flag.StringVar(&o.dir, "dir", "", "of the row")
	flag.IntVar(&o.rate, "rate", 1000, "predictions a second")
	flag.DurationVar(&o.last, "for", 10*time.Second, "how long a row lasts")
	flag.IntVar(&o.times, "times", 3, "runs of each row; the least CPU counts")
	flag.IntVar(&o.many, "many", 1_000_000, "predictions among which one is looked for")
	flag.Parse()
	if o.child != "" {
		return o.run()
	}
	return o.table()
}

// said is what a child tells.
type said struct {
	Made    int
	Written audit.Written
	Sealed  int64 // rows in sealed segments
	Lost    int64
	Bytes   int64
	Find    []float64 // milliseconds
}

// row runs a child some times and returns the least CPU.
func (o options) row(kind, policy string) (measure.Cost, said, error) {
	var best measure.Cost
	var told said
	for i := range o.times {
		dir, err := os.MkdirTemp("", "mlx-predictions-")
		if err != nil {
			return best, told, err
		}
		var out bytes.Buffer
		cost, err := measure.Run(measure.Command{Out: &out, Args: []string{os.Args[0], "-child", kind, "-policy", policy, "-dir", dir,
			"-rate", fmt.Sprint(o.rate), "-for", o.last.String(), "-many", fmt.Sprint(o.many)}})
		if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
			return best, told, err
		}
		if i == 0 || cost.CPU < best.CPU {
			best = cost
			if err := json.Unmarshal(out.Bytes(), &told); err != nil {
				return best, told, err
			}
		}
		if kind == "many" {
			break
		}
	}
	return best, told, nil
}

func (o options) table() error {
	bare, _, err := o.row("steady", "")
	if err != nil {
		return err
	}
	n := float64(o.rate) * o.last.Seconds()
	fmt.Printf("%-34s %8.1f us CPU each, %5.1f MiB\n", "no log", bare.CPU/n*1e6, bare.PeakMiB())
	missed := false
	for _, policy := range audit.Policies() {
		cost, told, err := o.row("steady", policy)
		if err != nil {
			return err
		}
		each := (cost.CPU - bare.CPU) / n * 1e6
		whole := told.Sealed == int64(told.Made) && told.Lost == 0
		missed = missed || !whole || each > 12
		fmt.Printf("%-34s %8.1f us CPU each more (bar 12), %5.1f MiB, %d of %d sealed, %d bytes each\n", fmt.Sprintf("%d/s, features: %s", o.rate, policy),
			each, cost.PeakMiB(), told.Sealed, told.Made, told.Bytes/int64(max(1, told.Sealed)))
	}
	cost, told, err := o.row("flood", audit.Masked)
	if err != nil {
		return err
	}
	missed = missed || told.Sealed+told.Written.Dropped != int64(told.Made)
	fmt.Printf("%-34s %8.1f us CPU each, %5.1f MiB, %d of %d sealed, %d dropped and counted\n", "as fast as it can", cost.CPU/float64(told.Made)*1e6,
		cost.PeakMiB(), told.Sealed, told.Made, told.Written.Dropped)
	cost, told, err = o.row("many", audit.Masked)
	if err != nil {
		return err
	}
	slices.Sort(told.Find)
	p95 := told.Find[len(told.Find)*95/100]
	missed = missed || p95 > 100
	fmt.Printf("%-34s %8.1f ms (P95 of %d, bar 100), median %.1f ms, %d bytes each, %5.1f MiB\n", fmt.Sprintf("find one of %d", told.Sealed), p95, len(told.Find),
		told.Find[len(told.Find)/2], told.Bytes/max(1, told.Sealed), cost.PeakMiB())
	if missed {
		return errors.New("a bar is missed")
	}
	return nil
}

// site is a store and a ledger.
type site struct {
	dir    string
	store  *snapshot.Store
	ledger *lineage.Ledger
}

func openSite(dir string) (*site, error) {
	s := &site{dir: dir}
	var err error
	if s.ledger, err = lineage.Open(lineage.Options{Dir: filepath.Join(dir, "ledger"), Now: time.Now, By: "bench", PID: os.Getpid()}); err != nil {
		return nil, err
	}
	s.store, err = snapshot.Open(snapshot.Options{Dir: filepath.Join(dir, "store"), Index: filepath.Join(dir, "index"), Now: time.Now,
		Clone: snapshot.Clone{ID: strings.Repeat("ab", 16), Dir: dir}, Jobs: 1})
	return s, err
}

func (s *site) keep(ctx context.Context, path string) (object.Digest, func() error, error) {
	kept, err := s.store.Save(ctx, snapshot.SaveOptions{Path: path, Once: true})
	return kept.Root, kept.Release, err
}

type file interface {
	fs.File
	audit.File
}

func (s *site) log() *audit.Log {
	return &audit.Log{Service: "flights", Ledger: s.ledger, Open: func(ctx context.Context, e audit.Entry) (audit.File, int64, error) {
		tree, err := s.store.FS(ctx, e.Kept)
		if err != nil {
			return nil, 0, err
		}
		f, err := tree.Open(e.Name())
		if err != nil {
			return nil, 0, err
		}
		return f.(file), e.Bytes, nil
	}}
}

func (o options) run() error {
	s, err := openSite(o.dir)
	if err != nil {
		return err
	}
	var w *audit.Writer
	if o.policy != "" {
		if w, err = audit.Open(context.Background(), audit.Options{Service: "flights", Dir: filepath.Join(o.dir, "spool"), Now: time.Now, Keep: s.keep,
			Ledger: s.ledger, Policy: audit.Policy{Features: o.policy}}); err != nil {
			return err
		}
	}
	told := said{}
	switch o.child {
	case "steady":
		told.Made = o.steady(w)
	case "flood":
		told.Made = o.flood(w, 1_000_000, false)
	case "many":
		told.Made = o.flood(w, o.many, true)
	}
	if w == nil {
		return json.NewEncoder(os.Stdout).Encode(told)
	}
	if err := w.Close(context.Background()); err != nil {
		return err
	}
	told.Written = w.Stats()
	told.Written.Trouble = nil
	all, err := audit.Entries(context.Background(), s.ledger, "flights")
	if err != nil {
		return err
	}
	for _, e := range all {
		told.Sealed, told.Lost, told.Bytes = told.Sealed+e.Rows, told.Lost+e.Lost, told.Bytes+e.Bytes
	}
	if o.child == "many" {
		for range 100 {
			begun := time.Now()
			if _, err := s.log().Find(context.Background(), fmt.Sprintf("req-%08d", rand.IntN(told.Made))); err != nil {
				return err
			}
			told.Find = append(told.Find, time.Since(begun).Seconds()*1000)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(told)
}

// steady makes predictions at a rate, each at its time.
func (o options) steady(w *audit.Writer) int {
	n := int(float64(o.rate) * o.last.Seconds())
	begun := time.Now()
	for i := range n {
		if wait := time.Until(begun.Add(time.Duration(float64(i) / float64(o.rate) * 1e9))); wait > 0 {
			time.Sleep(wait)
		}
		p := prediction(i)
		if w != nil {
			_ = w.Add(p) // it is not strict: what is dropped is counted
		}
	}
	return n
}

// flood makes predictions as fast as it can, or as fast as they are written.
func (o options) flood(w *audit.Writer, n int, wait bool) int {
	for i := range n {
		if i%4096 == 0 {
			for wait && int64(w.Stats().Accepted)-w.Stats().Requests > 8_000 {
				time.Sleep(time.Millisecond)
			}
		}
		_ = w.Add(prediction(i))
	}
	return n
}

var release = &audit.Release{Key: strings.Repeat("a1", 32), Model: "flights", Version: 7, Digest: object.Sum([]byte("model")), Image: "sha256:" + strings.Repeat("b2", 32),
	Run: object.Sum([]byte("run")), Data: []string{"sha256:" + strings.Repeat("c3", 32)}, Commit: strings.Repeat("d4", 20)}

// prediction is one with 12 features, as it comes from a client, and its answer.
func prediction(i int) audit.Prediction {
	r := rand.New(rand.NewPCG(uint64(i), 1))
	body := fmt.Appendf(make([]byte, 0, 512), `{"dataframe_split":{"columns":["month","day","hour","distance","dep_delay","taxi_out","carrier","origin","dest","wind","temp","visibility"],`+
		`"data":[[%d,%d,%d,%d,%.1f,%.1f,"%c%c","JFK","LAX",%.2f,%.1f,%.1f]]}}`, 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), 100+r.IntN(2500), r.Float64()*60, r.Float64()*30,
		'A'+r.IntN(26), 'A'+r.IntN(26), r.Float64()*40, r.Float64()*35, r.Float64()*10)
	return audit.Prediction{
		ID: fmt.Sprintf("req-%08d", i), At: time.Now(), Generation: 12, Role: "stable", Release: release, Word: fmt.Sprintf("user-%d", r.IntN(1000)), Bucket: r.IntN(10_000),
		Request: audit.Body{Type: "application/json", Bytes: body}, Status: 200, Latency: time.Duration(r.IntN(5000)) * time.Microsecond, Schema: "ok",
		Answer: audit.Body{Type: "application/json", Bytes: fmt.Appendf(nil, `{"predictions":[%.6f]}`, r.Float64())},
	}
}
