package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mlx/internal/audit"
	"mlx/internal/cli"
)

// TestLogOnFullDisk fills the disk of the log of predictions while requests come, by a small file system in a name space of this test's own.
// A strict service answers nothing then that is not kept; another one answers all, and counts what it could not keep.
func TestLogOnFullDisk(t *testing.T) {
	if os.Getenv(fullVar) == "" {
		inOwnMounts(t)
		return
	}
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	t.Run("strict", func(t *testing.T) { fullLog(t, true) })
	t.Run("lenient", func(t *testing.T) { fullLog(t, false) })
}

func fullLog(t *testing.T, strict bool) {
	s := serveOnSmallDisk(t, strict)
	first := s.ask(20)
	if first[http.StatusOK] != 20 {
		t.Fatalf("before the disk is full: %v", first)
	}
	fill := filepath.Join(s.spool, "fill")
	filled := fillDisk(t, fill)
	answered := int64(20)
	var refused int64
	sees := func(v serviceView) bool { return v.Log != nil && v.Log.Trouble != nil }
	s.until("the log says that its disk is full", func() bool {
		got := s.ask(1)
		answered, refused = answered+got[http.StatusOK], refused+got[http.StatusServiceUnavailable]
		return sees(s.status())
	})
	got := s.ask(50)
	answered, refused = answered+got[http.StatusOK], refused+got[http.StatusServiceUnavailable]
	v := s.status()
	if !strings.Contains(*v.Log.Trouble, "no space left on device") || v.Log.Strict != strict || v.Log.Refusing != strict {
		t.Errorf("of a full disk it says %+v: %s", *v.Log, *v.Log.Trouble)
	}
	if strict {
		if got[http.StatusServiceUnavailable] != 50 || v.Log.Refused != refused || v.State != "diverged" {
			t.Errorf("on a full disk: answers %v, %d refused, which it says of %d; it is %s", got, refused, v.Log.Refused, v.State)
		}
		if !strings.Contains(s.said, "answers nothing that its log does not keep") {
			t.Errorf("clients are told %q", s.said)
		}
	} else if got[http.StatusOK] != 50 || v.Log.Refused != 0 || v.State != "stable" {
		t.Errorf("on a full disk: answers %v; it is %s", got, v.State)
	}
	if strict { // all that was answered is on the disk, and stays there if nobody makes room
		s.until("what was answered is written", func() bool { return s.rows() == answered })
	}
	if err := errors.Join(filled.Close(), os.Remove(fill)); err != nil {
		t.Fatal(err)
	}
	s.until("it goes on by itself", func() bool {
		got := s.ask(1)
		answered += got[http.StatusOK]
		return got[http.StatusOK] == 1 && !sees(s.status())
	})
	s.stop()
	if rows := s.rows(); rows != answered {
		t.Errorf("%d requests were answered, and %d are in the log", answered, rows)
	}
}

// fillDisk writes a file until there is no room.
func fillDisk(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// smallService is a service whose log has a small disk.
type smallService struct {
	t     *testing.T
	p     *somebody
	spool string
	run   *exec.Cmd
	url   string
	said  string // with the last 503
}

func serveOnSmallDisk(t *testing.T, strict bool) *smallService {
	p := newSomebody(t)
	p.do(".", "git", "init", "-q", "s")
	config := fmt.Sprintf("services:\n  flights:\n    model: flights\n    cmd: exec servedmodel\n    ready: /health\n    log: {strict: %t}\n", strict)
	for name, text := range map[string]string{"mlx.yaml": config, "model.json": `{"w": 2}`} {
		if err := os.WriteFile(p.path("s", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.do("s", "mlx", "init")
	p.do("s", "mlx", "model", "register", "flights", "model.json")
	s := &smallService{t: t, p: p, spool: p.path("s", ".git", "mlx", "predictions", "flights")}
	smallDisk(t, s.spool, 12<<20)
	t.Chdir(p.path("s"))
	s.run = p.command("s", "mlx", "service", "run", "flights")
	out, err := s.run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.run.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 256)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	s.url = strings.Fields(string(line[:n]))[1] + "/predict"
	p.do("s", "mlx", "deploy", "flights", "flights@v1")
	return s
}

// ask sends requests and counts the answers.
func (s *smallService) ask(n int) map[int]int64 {
	s.t.Helper()
	answers := map[int]int64{}
	for range n {
		resp, err := http.Post(s.url, "application/json", bytes.NewReader([]byte(`{"instances": [1]}`)))
		if err != nil {
			s.t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			s.t.Fatal(err)
		}
		if resp.StatusCode == http.StatusServiceUnavailable {
			s.said = string(text)
		}
		answers[resp.StatusCode]++
	}
	return answers
}

func (s *smallService) status() serviceView {
	s.t.Helper()
	out, _, _ := s.p.try("s", "mlx", "service", "status", "flights", "--json")
	var v serviceView
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	return v
}

// rows counts the predictions in the log, sealed or not.
func (s *smallService) rows() int64 {
	s.t.Helper()
	a := newApp(nil, cli.Discard())
	defer a.close()
	log, closes, err := a.predictionLog("flights")
	if err != nil {
		s.t.Fatal(err)
	}
	defer closes.Close()
	n := int64(0)
	for _, err := range log.Rows(context.Background(), audit.Window{}) {
		if err != nil {
			s.t.Fatal(err)
		}
		n++
	}
	return n
}

func (s *smallService) until(what string, is func() bool) {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("it never comes to be that %s: %+v", what, s.status().Log)
		}
	}
}

func (s *smallService) stop() {
	s.t.Helper()
	http.DefaultClient.CloseIdleConnections()
	if err := s.run.Process.Signal(syscall.SIGINT); err != nil {
		s.t.Fatal(err)
	}
	if err := s.run.Wait(); err != nil {
		s.t.Fatal(err)
	}
}
