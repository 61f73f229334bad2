package train

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// What nobody needs goes in its time, and nothing that a job names.
func TestTidy(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	root := filepath.Join(t.TempDir(), "root")
	store, err := snapshot.Open(snapshot.Options{Dir: filepath.Join(root, "store"), Index: filepath.Join(root, "index"), Clone: snapshot.Clone{ID: strings.Repeat("ab", 16), Dir: root}, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	ledger := map[string][]byte{}
	link := func() *Link {
		here, there := net.Pipe()
		go func() {
			_ = Serve(context.Background(), there, ServeOptions{Root: root, Store: store, Now: clock, Records: func(_ context.Context, dir string, each func([]byte)) error {
				each(ledger[filepath.Base(dir)])
				return nil
			}})
		}()
		return NewLink(here)
	}
	l, ctx := link(), t.Context()
	var roots []object.Digest
	for i := range 4 {
		file := filepath.Join(t.TempDir(), "data")
		if err := os.WriteFile(file, bytes.Repeat([]byte(fmt.Sprint(i, " ", object.Sum([]byte{byte(i)}))), 100), 0o666); err != nil {
			t.Fatal(err)
		}
		from := openStore(t, file+".store")
		v, err := from.Save(ctx, snapshot.SaveOptions{Path: file})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Send(ctx, from, snapshot.BundleOptions{Roots: []object.Digest{v.Root}}); err != nil {
			t.Fatal(err)
		}
		roots = append(roots, v.Root)
	}
	write := func(name, text string) {
		t.Helper()
		if err := l.Write(ctx, name, 0o600, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(root, name), now, now); err != nil {
			t.Fatal(err)
		}
	}
	write("jobs/lives/job.json", `{"tree":"`+roots[0].String()+`"}`)
	ledger["lives"] = []byte(`{"body":"` + roots[1].String() + `"}`)
	write("jobs/over/result.json", roots[2].String())
	write("jobs/over/collected", "")
	has := func(want ...bool) {
		t.Helper()
		for i, root := range roots {
			if ok, err := store.Has(ctx, root); err != nil || ok != want[i] {
				t.Fatalf("version %d: %v, %v", i, ok, err)
			}
		}
	}
	tidy := func(limit int64) {
		t.Helper()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = link()
		if _, err := l.Tidy(ctx, limit); err != nil {
			t.Fatal(err)
		}
	}
	tidy(1) // those that were sent by now are held by their link no longer, or used a moment ago
	has(true, true, true, true)
	now = now.Add(25 * time.Hour)
	write("jobs/lives/state.json", "{}")
	tidy(0)
	if list, err := l.List(ctx, "jobs"); err != nil || len(list) != 1 || list[0].Name != "lives" {
		t.Fatalf("%+v, %v", list, err)
	}
	has(true, true, true, true)
	tidy(1)
	now = now.Add(25 * time.Hour)
	write("jobs/lives/state.json", "{}")
	tidy(1)
	has(true, true, false, false)
	now = now.Add(15 * 24 * time.Hour)
	tidy(0)
	if list, err := l.List(ctx, "jobs"); err != nil || len(list) != 0 {
		t.Fatalf("%+v, %v", list, err)
	}
}
