//go:build linux

// Command load measures the load generator of `mlx gate`: whether it holds a rate on this machine beside the server, what it costs, and
// whether it shows a server that stalls for two seconds. Beside it a closed loop of clients asks the same server, as wrk does: each waits
// for its answer before it asks again, so that a stall costs it one slow request a client and no more.
//
//	go build -o bin/mlx ./cmd/mlx && go run ./bench/load -mlx bin/mlx
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"mlx/bench/internal/measure"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		serve(os.Args[2:])
		return
	}
	mlx := flag.String("mlx", "bin/mlx", "`program` to measure")
	rate := flag.Int("rate", 1000, "requests a second")
	span := flag.Duration("time", 10*time.Second, "how long")
	flag.Parse()
	if err := start(*mlx, *rate, *span); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// serve answers as a model would. With -stall it answers nobody for that time, once, some seconds after the first request.
func serve(args []string) {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	stall := flags.Duration("stall", 0, "how long it answers nobody")
	after := flags.Duration("after", 3*time.Second, "when that begins, from the first request")
	port := flags.String("port", os.Getenv("PORT"), "where")
	_ = flags.Parse(args) // it exits
	var first sync.Once
	var from time.Time
	http.HandleFunc("POST /predict", func(w http.ResponseWriter, r *http.Request) {
		first.Do(func() { from = time.Now().Add(*after) })
		var q struct{ Instances []map[string]float64 }
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if now := time.Now(); *stall > 0 && now.After(from) && now.Before(from.Add(*stall)) {
			time.Sleep(time.Until(from.Add(*stall)))
		}
		fmt.Fprintf(w, `{"predictions":[%s0.5]}`, strings.Repeat("0.5,", len(q.Instances)-1))
	})
	fmt.Fprintln(os.Stderr, http.ListenAndServe("127.0.0.1:"+*port, nil))
}

// bench is a project in which a gate puts a load on this program.
type bench struct {
	mlx, self, dir string
	rate           int
	span           time.Duration
}

func start(mlx string, rate int, span time.Duration) error {
	b := bench{rate: rate, span: span}
	var err error
	if b.mlx, err = filepath.Abs(mlx); err != nil {
		return err
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	var remove func()
	if b.dir, remove, err = measure.Project("", "load"); err != nil {
		return err
	}
	defer remove()
	if err := b.project(); err != nil {
		return err
	}
	report := measure.Report{Out: os.Stdout}
	steady, err := b.gate("steady")
	if err != nil {
		return err
	}
	report.Add(measure.Line{Measure: "requests sent, share of the rate", Value: steady.sent / (float64(rate) * span.Seconds()), Unit: "x", Bar: 0.99, AtLeast: true})
	report.Add(measure.Line{Measure: "CPU of mlx and the server, per 1000 requests", Value: steady.cost.CPU / steady.sent * 1000, Unit: "s"})
	report.Add(measure.Line{Measure: "memory of the larger of both", Value: steady.cost.PeakMiB(), Unit: "MiB"})
	report.Add(measure.Line{Measure: "p99 of a server that is not slow", Value: steady.p99 * 1000, Unit: "ms"})
	stalled, err := b.gate("stalled")
	if err != nil {
		return err
	}
	p99, most, err := b.closedLoop()
	if err != nil {
		return err
	}
	report.Add(measure.Line{Measure: "p99 of one that stalls 2 s", Value: stalled.p99 * 1000, Unit: "ms", Peer: "closed loop", Theirs: p99.Seconds() * 1000, Bar: 1500, AtLeast: true})
	report.Add(measure.Line{Measure: "slowest request of one that stalls 2 s", Value: stalled.most * 1000, Unit: "ms", Peer: "closed loop",
		Theirs: most.Seconds() * 1000, Bar: 1900, AtLeast: true})
	if report.Missed > 0 {
		return fmt.Errorf("%d bars missed", report.Missed)
	}
	return nil
}

func (b bench) project() error {
	load := fmt.Sprintf("{rate: %d/s, time: %s}", b.rate, b.span)
	gate := func(name, serve string) string {
		return fmt.Sprintf(`  %s:
    table: rows.csv
    model: {serve: '%s'}
    checks:
      - {measure: latency_p99, max: 1h, load: %s}
      - {measure: latency_max, max: 1h, load: %s}
      - {measure: errors, max: 0%%, load: %s}
`, name, serve, load, load, load)
	}
	text := "gates:\n" + gate("steady", b.self+" serve") + gate("stalled", b.self+" serve -stall 2s")
	if err := measure.Init(b.mlx, b.dir); err != nil {
		return err
	}
	if _, err := measure.Run(measure.Command{Dir: b.dir, Args: []string{b.mlx, "run", "-q", "--", "sh", "-c", "echo {} > $MLX_METRICS"}}); err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(b.dir, "mlx.yaml"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err = file.WriteString(text); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.dir, "rows.csv"), []byte("x,y,label\n1,2,1\n3,4,0\n"), 0o600)
}

// seen is what a gate said of a load.
type seen struct {
	sent, p99, most float64
	cost            measure.Cost
}

func (b bench) gate(name string) (seen, error) {
	var out bytes.Buffer
	cost, err := measure.Run(measure.Command{Dir: b.dir, Args: []string{b.mlx, "gate", name, "--json"}, OK: []int{1, 3}, Out: &out, Err: os.Stderr})
	if err != nil {
		return seen{}, err
	}
	var v struct {
		Gates []struct {
			Checks []struct {
				Name  string
				Value *float64
				Rows  float64
				Note  *string
				Text  string
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &v); err != nil {
		return seen{}, err
	}
	s := seen{cost: cost}
	for _, c := range v.Gates[0].Checks {
		if c.Note != nil {
			fmt.Fprintf(os.Stderr, "%s %s: %s (%s)\n", name, c.Name, c.Text, *c.Note)
		}
		s.sent = c.Rows
		switch {
		case c.Value == nil:
		case c.Name == "latency_p99":
			s.p99 = *c.Value
		case c.Name == "latency_max":
			s.most = *c.Value
		}
	}
	return s, nil
}

// closedLoop asks a server that stalls with ten clients, each of which waits for its answer.
func (b bench) closedLoop() (p99, most time.Duration, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, 0, err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return 0, 0, err
	}
	_, port, _ := net.SplitHostPort(address)
	server := exec.Command(b.self, "serve", "-stall", "2s", "-port", port)
	if err := server.Start(); err != nil {
		return 0, 0, err
	}
	defer func() { _ = server.Process.Kill(); _ = server.Wait() }()
	for ready := false; !ready; {
		c, err := net.Dial("tcp", address)
		if ready = err == nil; ready {
			_ = c.Close() // it was only asked whether somebody listens
		} else {
			time.Sleep(20 * time.Millisecond)
		}
	}
	var mu sync.Mutex
	var all []time.Duration
	var clients sync.WaitGroup
	until := time.Now().Add(b.span)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 10}}
	for range 10 {
		clients.Go(func() {
			var mine []time.Duration
			for time.Now().Before(until) {
				began := time.Now()
				resp, err := client.Post("http://"+address+"/predict", "application/json", strings.NewReader(`{"instances":[{"x":1,"y":2}]}`))
				if err != nil {
					return
				}
				resp.Body.Close()
				mine = append(mine, time.Since(began))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, mine...)
		})
	}
	clients.Wait()
	if len(all) == 0 {
		return 0, 0, fmt.Errorf("the closed loop got no answer")
	}
	slices.Sort(all)
	return all[len(all)*99/100], all[len(all)-1], nil
}
