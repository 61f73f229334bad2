//go:build linux

package main

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

const question = `{"inputs":[{"name":"x","datatype":"FP64","shape":[1,4],"data":[5.1,3.5,1.4,0.2]}]}`

// outcome is what became of a load.
type outcome struct {
	sent, lost int
	first      string          // that was lost
	took       []time.Duration // of each answer, from its sending, in order of size
	due        []time.Duration // from when it was due
}

func (o outcome) at(list []time.Duration, q float64) time.Duration {
	if len(list) == 0 {
		return 0
	}
	return list[min(int(q*float64(len(list))), len(list)-1)]
}

// offer sends n requests to a URL, so many a second, whatever becomes of those before. at is called before those numbers of request.
func offer(url string, rate, n int, at map[int]func()) outcome {
	transport := &http.Transport{MaxIdleConnsPerHost: 1000, MaxIdleConns: 1000}
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	defer transport.CloseIdleConnections()
	var mu sync.Mutex
	var all sync.WaitGroup
	o := outcome{sent: n}
	begin := time.Now()
	for i := range n {
		due := begin.Add(time.Duration(i) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(due))
		if do := at[i]; do != nil {
			go do()
		}
		all.Go(func() {
			sent := time.Now()
			err := ask(client, url, i)
			end := time.Now()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				if o.lost++; o.first == "" {
					o.first = err.Error()
				}
				return
			}
			o.took, o.due = append(o.took, end.Sub(sent)), append(o.due, end.Sub(due))
		})
	}
	all.Wait()
	slices.Sort(o.took)
	slices.Sort(o.due)
	return o
}

func ask(client *http.Client, url string, i int) error {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(question))
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

// saturate asks from so many connections, each one request after the other, as fast as it goes, and returns how many answers there were.
func saturate(address string, connections int, span time.Duration) (int, error) {
	request := []byte("POST /v2/models/m/infer HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nX-User: u\r\nContent-Length: " +
		strconv.Itoa(len(question)) + "\r\n\r\n" + question)
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
