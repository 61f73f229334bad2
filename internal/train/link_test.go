package train

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// openStore opens a store in a folder of its own.
func openStore(t *testing.T, dir string) *snapshot.Store {
	t.Helper()
	s, err := snapshot.Open(snapshot.Options{Dir: dir, Index: dir + ".index", Clone: snapshot.Clone{ID: strings.Repeat("ab", 16), Dir: filepath.Dir(dir)}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// node is a node in this process, and a link to it.
type node struct {
	root string
	l    *Link
	s    *snapshot.Store
	end  chan error // what Serve returned
}

func newNode(t *testing.T) *node {
	t.Helper()
	n := &node{root: filepath.Join(t.TempDir(), "root")}
	n.s = openStore(t, filepath.Join(n.root, "store"))
	n.l, n.end = n.link(t)
	return n
}

// link makes another link to the node.
func (n *node) link(t *testing.T) (*Link, chan error) {
	t.Helper()
	here, there := net.Pipe()
	end := make(chan error, 1)
	go func() {
		end <- Serve(context.Background(), there, ServeOptions{Root: n.root, Store: n.s, Now: time.Now, Version: "test", Host: "n1"})
	}()
	l := NewLink(here)
	t.Cleanup(func() {
		select {
		case e := <-end:
			t.Log("ended:", e)
		default:
		}
	})
	t.Cleanup(func() { l.Close() })
	return l, end
}

func (n *node) mustWrite(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := n.l.Write(t.Context(), name, 0o600, data); err != nil {
		t.Fatal(err)
	}
}

// Files with any name go to the node and come back, and nothing leaves its folder.
func TestLinkFiles(t *testing.T) {
	n, ctx := newNode(t), t.Context()
	if h, err := n.l.Hello(ctx); err != nil || h.Version != "test" || h.Root != n.root || h.Free <= 0 || h.OS == "" {
		t.Fatalf("%+v, %v", h, err)
	}
	big := bytes.Repeat([]byte("0123456789abcdef"), 200_000) // more than a window
	files := map[string][]byte{"jobs/a b/\xff\xfe\n$'\"": []byte("x"), "jobs/a b/empty": nil, "jobs/a b/big": big}
	for name, data := range files {
		n.mustWrite(t, name, data)
		got, err := n.l.ReadAll(ctx, name)
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%q: %d bytes, %v", name, len(got), err)
		}
	}
	var tail bytes.Buffer
	if k, err := n.l.Read(ctx, "jobs/a b/big", int64(len(big))-5, &tail); k != 5 || err != nil || tail.String() != "bcdef" {
		t.Fatalf("%d, %q, %v", k, tail.String(), err)
	}
	list, err := n.l.List(ctx, "jobs/a b")
	if err != nil || len(list) != 3 || list[0].Name != "big" || list[0].Size != int64(len(big)) || list[0].Mode != 0o600 || list[2].Name != "\xff\xfe\n$'\"" {
		t.Fatalf("%+v, %v", list, err)
	}
	if err := n.l.Remove(ctx, "jobs/a b"); err != nil {
		t.Fatal(err)
	}
	if _, err := n.l.ReadAll(ctx, "jobs/a b/big"); fault.KindOf(err) != fault.NotFound || !strings.HasPrefix(err.Error(), "on n1: ") {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc", filepath.Join(n.root, "out")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../x", "/etc/passwd", "a/../../x", "a//b", "", "out/passwd", "a\x00b", "./a"} {
		if _, err := n.l.ReadAll(ctx, name); err == nil {
			t.Errorf("read %q", name)
		}
		if err := n.l.Write(ctx, name, 0o600, nil); err == nil {
			t.Errorf("wrote %q", name)
		}
	}
	if err := n.l.Remove(ctx, "."); fault.KindOf(err) != fault.Usage {
		t.Error(err)
	}
}

// Words of any bytes reach a command, and what it says comes back.
func TestLinkExec(t *testing.T) {
	n, ctx := newNode(t), t.Context()
	a, err := n.l.Exec(ctx, Command{Argv: []string{"sh", "-c", `cat; printf '%s|' "$@" "$V"; echo oops >&2; pwd >&2; exit 7`, "sh", "a b", "\xff\n'\"$x", ""}, Env: []string{"V=é\n="}, Stdin: []byte("in ")})
	if err != nil || string(a.Stdout) != "in a b|\xff\n'\"$x||é\n=|" || string(a.Stderr) != "oops\n"+n.root+"\n" || a.Status != 7 {
		t.Fatalf("%q, %q, %d, %v", a.Stdout, a.Stderr, a.Status, err)
	}
	big := bytes.Repeat([]byte("x"), 10<<20)
	if a, err := n.l.Exec(ctx, Command{Argv: []string{"cat"}, Stdin: big}); err != nil || !bytes.Equal(a.Stdout, big) {
		t.Fatalf("%d bytes, %v", len(a.Stdout), err)
	}
	if a, err := n.l.Exec(ctx, Command{Argv: []string{"sh", "-c", "kill -9 $$"}, Stdin: big}); err != nil || a.Status != 137 {
		t.Fatalf("%d, %v", a.Status, err)
	}
	if _, err := n.l.Exec(ctx, Command{Argv: []string{"no-such-program"}}); fault.KindOf(err) != fault.NotFound {
		t.Fatal(err)
	}
	if _, err := n.l.Exec(ctx, Command{Argv: []string{"true"}, Dir: "nowhere"}); fault.KindOf(err) != fault.NotFound {
		t.Fatal(err)
	}
}

// Versions go to the node and come back by way of its store.
func TestLinkBundle(t *testing.T) {
	n, ctx := newNode(t), t.Context()
	dir := t.TempDir()
	here := openStore(t, filepath.Join(dir, "store"))
	var roots []object.Digest
	for i := range 3 {
		data := filepath.Join(dir, "data")
		if err := os.MkdirAll(data, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(data, fmt.Sprint(i)), bytes.Repeat([]byte{byte(i)}, 1<<20), 0o666); err != nil {
			t.Fatal(err)
		}
		v, err := here.Save(ctx, snapshot.SaveOptions{Path: data})
		if err != nil {
			t.Fatal(err)
		}
		roots = append(roots, v.Root)
	}
	first, err := n.l.Send(ctx, here, snapshot.BundleOptions{Roots: roots[:2]})
	if err != nil || first.Objects == 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	if have, err := n.l.Have(ctx, roots); err != nil || fmt.Sprint(have) != "[true true false]" {
		t.Fatal(have, err)
	}
	if again, err := n.l.Send(ctx, here, snapshot.BundleOptions{Roots: roots[:2]}); err != nil || again.Bytes != 0 {
		t.Fatalf("%+v, %v", again, err)
	}
	if err := n.l.PutBundle(ctx, func(w io.Writer) error {
		_, err := here.WriteBundle(ctx, w, snapshot.BundleOptions{Roots: roots, Held: roots[:2]})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	back := openStore(t, filepath.Join(dir, "back"))
	done, err := n.l.Fetch(ctx, back, roots, nil, nil)
	if err != nil || done.Objects == 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	for _, r := range roots {
		if ok, err := back.Has(ctx, r); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	none := object.Sum([]byte("none"))
	if _, err := n.l.Fetch(ctx, back, []object.Digest{none}, nil, nil); fault.KindOf(err) != fault.NotFound || !strings.Contains(err.Error(), "on the node") {
		t.Fatal(err)
	}
	if err := n.l.PutBundle(ctx, func(w io.Writer) error {
		_, err := here.WriteBundle(ctx, w, snapshot.BundleOptions{Roots: []object.Digest{none}})
		return err
	}); fault.KindOf(err) != fault.NotFound || strings.Contains(err.Error(), "on ") && !strings.Contains(err.Error(), "on this machine") {
		t.Fatal(err)
	}
}

// Files are mirrored as they grow, begin anew, and are replaced; the last one ends it.
func TestLinkFollow(t *testing.T) {
	n, ctx := newNode(t), t.Context()
	n.mustWrite(t, "j/output", []byte("one\n"))
	mirror := map[string][]byte{}
	var told []string
	step := 0
	err := n.l.Follow(ctx, []Tail{{Name: "j/result.json"}, {Name: "j/output"}, {Name: "j/metrics.json", Whole: true}, {Name: "j/deep/later", From: 2}}, 10*time.Millisecond, func(name string, at int64, data []byte) error {
		mirror[name] = append(mirror[name][:at], data...)
		told = append(told, name)
		step++
		switch step { // a callback may call
		case 1:
			n.mustWrite(t, "j/metrics.json", []byte("1"))
		case 2:
			n.mustWrite(t, "j/metrics.json", bytes.Repeat([]byte("22"), 300_000))
		case 3:
			mirror["j/deep/later"] = []byte("..")
			n.mustWrite(t, "j/deep/later", []byte("..ab"))
		case 4:
			n.mustWrite(t, "j/output", []byte("anew\n"))
		case 5:
			n.mustWrite(t, "j/result.json", []byte("{}"))
		}
		return nil
	})
	if err != nil || told[len(told)-1] != "j/result.json" {
		t.Fatalf("%v, %v", told, err)
	}
	for name, want := range map[string]string{"j/output": "anew\n", "j/metrics.json": strings.Repeat("22", 300_000), "j/deep/later": "..ab", "j/result.json": "{}"} {
		if string(mirror[name]) != want {
			t.Errorf("%s: %.50q", name, mirror[name])
		}
	}
}
