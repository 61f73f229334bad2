package audit

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// childVar tells the test binary to be a child of a test: a writer that is killed. Its value is the folder and its number.
const childVar = "MLX_AUDIT_CHILD"

func TestMain(m *testing.M) {
	if text, child := os.LookupEnv(childVar); child {
		dir, number, _ := strings.Cut(text, "\n")
		if err := crashChild(dir, number); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// site is a real store and a real ledger in a folder.
type site struct {
	dir    string
	ledger *lineage.Ledger
	store  *snapshot.Store
}

func openSite(dir string) (*site, error) {
	s := &site{dir: dir}
	var err error
	if s.ledger, err = lineage.Open(lineage.Options{Dir: filepath.Join(dir, "ledger"), Now: time.Now, By: "ana", PID: os.Getpid()}); err != nil {
		return nil, err
	}
	s.store, err = snapshot.Open(snapshot.Options{Dir: filepath.Join(dir, "store"), Index: filepath.Join(dir, "index"), Now: time.Now,
		Clone: snapshot.Clone{ID: strings.Repeat("ab", 16), Dir: dir}, Jobs: 1})
	return s, err
}

func newSite(t testing.TB) *site {
	t.Helper()
	s, err := openSite(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.ledger.Close()
		_ = s.store.Close()
	})
	return s
}

func (s *site) spool() string { return filepath.Join(s.dir, "spool") }

func (s *site) keep(ctx context.Context, path string) (object.Digest, func() error, error) {
	kept, err := s.store.Save(ctx, snapshot.SaveOptions{Path: path, Once: true})
	return kept.Root, kept.Release, err
}

func (s *site) options() Options {
	return Options{Service: "flights", Dir: s.spool(), Now: time.Now, Keep: s.keep, Ledger: s.ledger, Flush: 20 * time.Millisecond}
}

func (s *site) log() *Log {
	return &Log{Service: "flights", Dir: s.spool(), Ledger: s.ledger, Open: func(ctx context.Context, e Entry) (File, int64, error) {
		tree, err := s.store.FS(ctx, e.Kept)
		if err != nil {
			return nil, 0, err
		}
		f, err := tree.Open(e.Name())
		if err != nil {
			return nil, 0, err
		}
		info, err := f.Stat()
		if err != nil {
			return nil, 0, err
		}
		return f.(interface {
			fs.File
			File
		}), info.Size(), nil
	}}
}

// flight is the nth prediction.
func flight(prefix string, n int) Prediction {
	return Prediction{
		ID: fmt.Sprintf("%s-%d", prefix, n), At: noon.Add(time.Duration(n) * time.Second), Role: "stable", Status: 200, Latency: time.Millisecond,
		Release: &Release{Key: "k1", Model: "flights", Version: 7, Data: []string{"sha256:00"}},
		Request: Body{Bytes: fmt.Appendf(nil, `{"distance":%d,"carrier":"AA"}`, n)},
		Answer:  Body{Bytes: fmt.Appendf(nil, `{"score":0.%03d}`, n%1000)},
	}
}

func mustOpen(t testing.TB, o Options) *Writer {
	t.Helper()
	w, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func mustClose(t testing.TB, w *Writer) {
	t.Helper()
	if err := w.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// until waits for a condition.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came to be that %s", what)
		}
	}
}

// idsOf lists the ids of a window.
func idsOf(t testing.TB, l *Log, w Window) []string {
	t.Helper()
	var ids []string
	for row, err := range l.Rows(context.Background(), w) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, row.ID)
	}
	return ids
}

func mustVerify(t testing.TB, l *Log) {
	t.Helper()
	problems, absent, err := l.Verify(context.Background(), true)
	if err != nil || len(problems) > 0 || len(absent) > 0 {
		t.Fatalf("verify says %v, %d absent, %v", problems, len(absent), err)
	}
}
