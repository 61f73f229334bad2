package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"mlx/internal/cli"
)

// servedModelMain serves the model of a release as its file says: {"w": 2} multiplies; "fails" is which of ten requests fail; "sleep" is a
// time.
func servedModelMain() {
	text, err := os.ReadFile(os.Getenv("MLX_MODEL"))
	if err != nil {
		log.Fatal(err)
	}
	var m struct {
		W     float64
		Fails int
		Sleep string
		Dies  bool
	}
	if err := json.Unmarshal(text, &m); err != nil || m.Dies {
		log.Fatalf("this model cannot be read: %v", err)
	}
	pause, _ := time.ParseDuration(m.Sleep)
	var mu sync.Mutex
	n := 0
	http.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("POST /predict", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		n++
		fails := n > 20 && n%10 < m.Fails // it is well while it is warmed up
		mu.Unlock()
		time.Sleep(pause)
		var q struct{ Instances []float64 }
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || fails {
			http.Error(w, "no answer", http.StatusInternalServerError)
			return
		}
		for i := range q.Instances {
			q.Instances[i] *= m.W
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"predictions": q.Instances})
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}

// askingMain asks a service at an address that stands in a file, N times at a rate, and counts the answers: "200 500" a line each. It stops when a
// file is there that it may be told of.
func askingMain() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	n, _ := strconv.Atoi(os.Args[2])
	rate, _ := strconv.Atoi(os.Args[3])
	enough := "" // there is no such file
	if len(os.Args) > 4 {
		enough = os.Args[4]
	}
	u := strings.TrimSpace(string(text)) + "/predict"
	var mu sync.Mutex
	var all sync.WaitGroup
	answers := map[string]int{}
	every := time.NewTicker(time.Second / time.Duration(rate))
	for i := range n {
		<-every.C
		if _, err := os.Stat(enough); err == nil {
			break
		}
		all.Go(func() {
			word := "lost"
			resp, err := http.Post(u, "application/json", bytes.NewReader([]byte(fmt.Sprintf(`{"instances": [%d]}`, i%10+1))))
			if err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				word = strconv.Itoa(resp.StatusCode)
			}
			mu.Lock()
			answers[word]++
			mu.Unlock()
		})
	}
	all.Wait()
	for _, word := range slices.Sorted(maps.Keys(answers)) {
		fmt.Println(word, answers[word])
	}
}

// runtimeMain says its input to the runtime socket of an HAProxy, and prints what that answers.
func runtimeMain() {
	c, err := net.Dial("unix", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	if _, err := io.Copy(c, os.Stdin); err != nil {
		log.Fatal(err)
	}
	if _, err := io.Copy(os.Stdout, c); err != nil {
		log.Fatal(err)
	}
}

// jumpingMain is mlx with a clock that somebody sets: the file in $JUMP says how far it is off. It has no monotonic part.
func jumpingMain() {
	a := newApp(os.Args[1:], cli.Open(os.Stdin, os.Stdout, os.Stderr, os.Getenv))
	a.now = func() time.Time {
		text, _ := os.ReadFile(os.Getenv("JUMP")) // nobody has set it yet
		off, _ := time.ParseDuration(string(text))
		return time.Now().Round(0).Add(off)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := a.execute(ctx)
	stop()
	os.Exit(status)
}
