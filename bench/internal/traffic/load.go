//go:build linux

// Package traffic hides how requests are offered to what answers for a model, how proxies of others are put in its place, and what the
// kernel says of a process meanwhile.
package traffic

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Question is what models are asked.
const Question = `{"inputs":[{"name":"x","datatype":"FP64","shape":[1,4],"data":[5.1,3.5,1.4,0.2]}]}`

// Outcome is what became of a load.
type Outcome struct {
	Sent, Lost int
	First      string          // that was lost
	Took       []time.Duration // of each answer, from its sending, in order of size
	Due        []time.Duration // from when it was due
}

// At is a quantile of times in order of size.
func At(list []time.Duration, q float64) time.Duration {
	if len(list) == 0 {
		return 0
	}
	return list[min(int(q*float64(len(list))), len(list)-1)]
}

// load is requests that are offered at a rate, whatever becomes of those before.
type load struct {
	url       string
	client    *http.Client
	transport *http.Transport
	began     time.Time
	every     float64 // seconds

	all sync.WaitGroup
	mu  sync.Mutex
	o   Outcome
}

func newLoad(url string, rate int) *load {
	t := &http.Transport{MaxIdleConnsPerHost: 1000, MaxIdleConns: 1000}
	return &load{url: url, transport: t, client: &http.Client{Transport: t, Timeout: 20 * time.Second}, began: time.Now(), every: 1 / float64(rate)}
}

// send waits until the next request is due and sends it.
func (l *load) send() {
	i := l.o.Sent
	l.o.Sent++
	due := l.began.Add(time.Duration(float64(i) * l.every * float64(time.Second)))
	time.Sleep(time.Until(due))
	l.all.Go(func() {
		sent := time.Now()
		err := ask(l.client, l.url, i)
		end := time.Now()
		l.mu.Lock()
		defer l.mu.Unlock()
		if err != nil {
			if l.o.Lost++; l.o.First == "" {
				l.o.First = err.Error()
			}
			return
		}
		l.o.Took, l.o.Due = append(l.o.Took, end.Sub(sent)), append(l.o.Due, end.Sub(due))
	})
}

func (l *load) end() Outcome {
	l.all.Wait()
	l.transport.CloseIdleConnections()
	slices.Sort(l.o.Took)
	slices.Sort(l.o.Due)
	return l.o
}

// Offer sends n requests to a URL, so many a second. at is called before those numbers of request.
func Offer(url string, rate, n int, at map[int]func()) Outcome {
	l := newLoad(url, rate)
	for i := range n {
		if do := at[i]; do != nil {
			go do()
		}
		l.send()
	}
	return l.end()
}

// During sends requests to a URL, so many a second, until do has ended.
func During(url string, rate int, do func() error) (Outcome, error) {
	l := newLoad(url, rate)
	ended := make(chan error, 1)
	go func() { ended <- do() }()
	for {
		select {
		case err := <-ended:
			return l.end(), err
		default:
			l.send()
		}
	}
}

func ask(client *http.Client, url string, i int) error {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(Question))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-User", strconv.Itoa(i))
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || !bytes.Contains(text, []byte(`"outputs"`))) {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return err
}

// Saturate asks from so many connections, each one request after the other, as fast as it goes, and returns how many answers there were.
func Saturate(address string, connections int, span time.Duration) (int, error) {
	request := []byte("POST /v2/models/m/infer HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nX-User: u\r\nContent-Length: " +
		strconv.Itoa(len(Question)) + "\r\n\r\n" + Question)
	counts := make([]int, connections)
	errs := make([]error, connections)
	var all sync.WaitGroup
	end := time.Now().Add(span)
	for i := range connections {
		all.Go(func() { counts[i], errs[i] = one(address, request, end) })
	}
	all.Wait()
	n := 0
	for _, c := range counts {
		n += c
	}
	return n, errors.Join(errs...)
}

func one(address string, request []byte, end time.Time) (int, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }() // nothing is left to be said
	lines := bufio.NewReader(conn)
	n := 0
	for ; time.Now().Before(end); n++ {
		if _, err := conn.Write(request); err != nil {
			return n, err
		}
		length := -1
		for {
			line, err := lines.ReadSlice('\n')
			if err != nil {
				return n, err
			}
			if len(line) <= 2 {
				break
			}
			if name, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(name, []byte("content-length")) {
				if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
					return n, err
				}
			}
		}
		if length < 0 {
			return n, errors.New("an answer without a length")
		}
		if _, err := lines.Discard(length); err != nil {
			return n, err
		}
	}
	return n, nil
}
