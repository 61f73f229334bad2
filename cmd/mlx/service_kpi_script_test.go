package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"math"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"time"
)

// visitingMain has N users ask a service at an address that stands in a file, at a rate, or fewer when it is interrupted:
// visiting URL N RATE NAME OUT [vary]. Users are called NAME1, NAME2, … What each was worth is added to the file OUT as id,user,value: the
// prediction that it was given, times a factor with a heavy tail. With vary they ask different things.
func visitingMain() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	n, _ := strconv.Atoi(os.Args[2])
	rate, _ := strconv.Atoi(os.Args[3])
	name := os.Args[4]
	out, err := os.OpenFile(os.Args[5], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	every := time.NewTicker(time.Second / time.Duration(rate))
	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	for i := 1; i <= n; i++ {
		select {
		case <-interrupted.Done():
			all.Wait()
			return
		case <-every.C:
		}
		all.Go(func() {
			user := name + strconv.Itoa(i)
			instance := 10
			if len(os.Args) > 6 {
				instance = i%10 + 1
			}
			worth, err := visitOnce(strings.TrimSpace(string(text))+"/predict", user, instance)
			if err != nil {
				return // it bought nothing
			}
			_, part := math.Modf(float64(i) * 0.6180339887)
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintf(out, "r-%s,%s,%.3f\n", user, user, worth/math.Sqrt(0.02+part))
		})
	}
	all.Wait()
}

func visitOnce(u, user string, instance int) (float64, error) {
	req, err := http.NewRequest(http.MethodPost, u, bytes.NewReader(fmt.Appendf(nil, `{"instances": [%d]}`, instance)))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-User", user)
	req.Header.Set("X-Request-Id", "r-"+user)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var a struct{ Predictions []float64 }
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil || len(a.Predictions) != 1 {
		return 0, fmt.Errorf("no prediction: %w", err)
	}
	return a.Predictions[0], nil
}
