package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestImportFromWeb runs the scripts of import against a real server: $WEB serves the folder site of each script, under
// /private only to ana with her password, and counts the bodies that it sent in the file bodies.
func TestImportFromWeb(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/web",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			var bodies atomic.Int64
			site := filepath.Join(env.WorkDir, "site")
			old := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) // what changed just now is not believed to stay
			if err := os.Chtimes(filepath.Join(site, "flights.csv"), old, old); err != nil {
				return err
			}
			files := http.FileServer(http.Dir(site))
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if user, pass, _ := r.BasicAuth(); strings.HasPrefix(r.URL.Path, "/private/") && (user != "ana" || pass != "geheim") {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				if r.URL.Path == "/moved.csv" {
					http.Redirect(w, r, "/flights.csv?token=geheim", http.StatusFound)
					return
				}
				seen := &statusOf{ResponseWriter: w}
				files.ServeHTTP(seen, r)
				if seen.status == http.StatusOK {
					bodies.Add(1)
				}
				os.WriteFile(filepath.Join(env.WorkDir, "bodies"), fmt.Appendln(nil, bodies.Load()), 0o644)
			}))
			env.Defer(srv.Close)
			env.Setenv("WEB", srv.URL)
			env.Setenv("SECRET_WEB", strings.Replace(srv.URL, "http://", "http://ana:geheim@", 1))
			return isolate(env)
		},
	})
}

type statusOf struct {
	http.ResponseWriter
	status int
}

func (s *statusOf) WriteHeader(code int) {
	s.status = code
	s.ResponseWriter.WriteHeader(code)
}

// project makes a project and returns how to run mlx in it.
func project(t *testing.T) (string, func(...string) *exec.Cmd) {
	t.Helper()
	dir := t.TempDir()
	run := func(words ...string) *exec.Cmd {
		cmd := exec.Command(words[0], words[1:]...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "GIT_CONFIG_NOSYSTEM=1")
		return cmd
	}
	for _, words := range [][]string{{"git", "init", "-q"}, {"mlx", "init"}} {
		if out, err := run(words...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return dir, run
}

// TestKilledImport: whoever dies while bytes come leaves a temporary folder, which the next import removes, and no more.
func TestKilledImport(t *testing.T) {
	dir, mlx := project(t)
	half := make(chan struct{})
	var calls atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data := bytes.Repeat([]byte("0123456789"), 100_000)
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		if calls.Add(1) > 1 {
			w.Write(data)
			return
		}
		w.Write(data[:500_000])
		w.(http.Flusher).Flush()
		close(half)
		<-r.Context().Done()
	}))
	defer srv.Close()
	victim := mlx("mlx", "import", srv.URL+"/x.bin", "data/x.bin")
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	<-half
	stages := func() []string {
		found, err := filepath.Glob(filepath.Join(dir, ".git/mlx/tmp/import-*/x.bin"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for deadline := time.Now().Add(20 * time.Second); len(stages()) == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	victim.Wait()
	if len(stages()) != 1 {
		t.Fatalf("left behind: %v", stages())
	}
	for _, name := range []string{"data", "data/x.bin", "data/x.bin.mlx"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is there", name)
		}
	}
	if out, err := mlx("mlx", "import", srv.URL+"/x.bin", "data/x.bin").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if left := stages(); len(left) != 0 {
		t.Errorf("not swept: %v", left)
	}
	if info, err := os.Stat(filepath.Join(dir, "data/x.bin")); err != nil || info.Size() != 1_000_000 {
		t.Errorf("%v, %v", info, err)
	}
}
