package snapshot

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"mlx/internal/object"
	"mlx/internal/snapshot/internal/disk"
	"mlx/internal/snapshot/internal/pack"
)

// forge writes objects into a store that no save of mlx would write.
type forge struct {
	t *testing.T
	b *bench
	w *pack.Writer
}

func newForge(t *testing.T) *forge {
	f := &forge{t: t, b: memoryBench(t)}
	f.must(f.b.s.prepare())
	f.open()
	return f
}

func (f *forge) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *forge) open() {
	w, err := pack.NewWriter(f.b.s.tmp(), "forge")
	f.must(err)
	f.w = w
}

// put stores bytes as they are and returns their digest.
func (f *forge) put(b []byte) object.Digest {
	f.t.Helper()
	d := object.Sum(b)
	f.must(f.w.Add(pack.Raw, []pack.Piece{{ID: d, Len: len(b)}}, len(b), b))
	return d
}

// frame stores a frame of one chunk that claims to be id.
func (f *forge) frame(codec pack.Codec, id object.Digest, raw int, payload []byte) {
	f.t.Helper()
	f.must(f.w.Add(codec, []pack.Piece{{ID: id, Len: raw}}, raw, payload))
}

// tree stores a folder, entries as given.
func (f *forge) tree(entries ...treeEntry) object.Digest { return f.put(appendTree(nil, entries)) }

// file returns the entry of a file with this content.
func (f *forge) file(name, content string) treeEntry {
	return treeEntry{Name: name, Kind: disk.File, Size: int64(len(content)), Sum: f.put([]byte(content))}
}

func (f *forge) link(name, to string) treeEntry {
	e := f.file(name, to)
	e.Kind = disk.Symlink
	return e
}

func folderEntry(name string, tree object.Digest, size int64) treeEntry {
	return treeEntry{Name: name, Kind: disk.Directory, Size: size, Sum: tree}
}

// done names the pack, so that the store has what was put, and starts another.
func (f *forge) done() {
	f.t.Helper()
	_, _, err := f.w.Close(f.b.s.packs())
	f.must(err)
	f.open()
	f.b.reopen()
}

// readers are all ways to read a version. Each must end in bounded time, and touch nothing outside its folder.
func (f *forge) readers(root object.Digest) map[string]error {
	f.t.Helper()
	f.done()
	b, ctx := f.b, context.Background()
	out := map[string]error{}
	b.reopen()
	_, out["checkout"] = b.checkout(root, filepath.Join(b.dir, "out"), CheckoutOptions{})
	os.RemoveAll(filepath.Join(b.dir, "out"))
	_, out["stat"] = b.s.Stat(ctx, root)
	for _, err := range b.s.Diff(ctx, object.Digest{}, root) {
		if err != nil {
			out["diff"] = err
		}
	}
	f.must(os.MkdirAll(b.data, 0o777))
	for _, err := range b.s.Status(ctx, StatusOptions{Path: b.data, Base: root, Kind: Directory}) {
		if err != nil {
			out["status"] = err
		}
	}
	out["fs"] = f.readFS(root)
	rep, err := b.s.Verify(ctx, []object.Digest{root}, true, nil)
	if out["verify"] = err; err == nil && len(rep.Damage) > 0 {
		out["verify"] = damageError(rep.Damage[0].Cause)
	}
	return out
}

type damageError string

func (d damageError) Error() string { return string(d) }
