package snapshot

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mlx/internal/object"
)

// farDir is a remote that is a folder of packs.
func farDir(dir string) (CatalogOptions, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.pack"))
	if err != nil {
		return CatalogOptions{}, err
	}
	read := func(_ context.Context, p PackInfo, off, n int64, w io.Writer) error {
		f, err := os.Open(filepath.Join(dir, p.Name.Hex()+".pack"))
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.CopyBuffer(onlyWriter{w}, onlyReader{io.NewSectionReader(f, off, n)}, make([]byte, 4<<10))
		return err
	}
	o := CatalogOptions{Read: read, Index: func(ctx context.Context, p PackInfo) ([]byte, error) {
		var b bytes.Buffer
		err := read(ctx, p, p.Index, p.Bytes-p.Index, &b)
		return b.Bytes(), err
	}}
	for _, path := range names {
		f, err := os.Open(path)
		if err != nil {
			return o, err
		}
		size, err := f.Seek(-32, io.SeekEnd)
		var end [32]byte // where the frames end, and how many chunks there are
		if err == nil {
			_, err = f.ReadAt(end[:], size)
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return o, err
		}
		d, err := object.ParseDigest(strings.TrimSuffix(filepath.Base(path), ".pack"))
		if err != nil {
			return o, err
		}
		o.Packs = append(o.Packs, PackInfo{Name: d, Bytes: size + 32, Index: int64(binary.LittleEndian.Uint64(end[:])), Chunks: int64(binary.LittleEndian.Uint32(end[12:]))})
	}
	return o, nil
}

// fetchChild fetches a version from a folder of packs into a store.
func fetchChild(args []string) error {
	s, err := Open(Options{Dir: args[0], Index: args[0] + ".index", Clone: Clone{ID: strings.Repeat("cd", 16), Dir: args[0]}, Now: time.Now, Jobs: 2})
	if err != nil {
		return err
	}
	o, err := farDir(args[1])
	if err != nil {
		return err
	}
	root, err := object.ParseDigest(args[2])
	if err != nil {
		return err
	}
	c, err := s.Catalog(context.Background(), o)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	_, err = s.Fetch(context.Background(), FetchOptions{Roots: []object.Digest{root}, From: c, Read: o.Read, Jobs: 3})
	return err
}

// Killed at any instant of a fetch, the next one goes on: what it needs to fetch shrinks, and all is whole at the end.
func TestFetchIsKilled(t *testing.T) {
	b, r, _, two := twoVersions(t)
	want := listing(t, b.data)
	site := memoryDir(t)
	remote := filepath.Join(site, "remote")
	if err := os.Mkdir(remote, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, p := range r.packs {
		if err := os.WriteFile(filepath.Join(remote, name.Hex()+".pack"), p, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 2))
	kills, until := 40, time.Now().Add(soak(t))
	if testing.Short() {
		kills = 8
	}
	for i := 0; i < kills || time.Now().Before(until); {
		c := newBench(t)
		c.dir = filepath.Join(site, fmt.Sprint("clone", i))
		c.data = filepath.Join(c.dir, "data")
		for range 1 + rnd.IntN(4) {
			killFetch(t, rnd, []string{"fetch", filepath.Join(c.dir, "store"), remote, two.String()})
			i++
		}
		c.reopen()
		if rep, err := c.s.Verify(context.Background(), nil, false, nil); err != nil || len(rep.Damage) > 0 {
			t.Fatalf("after a kill: %+v, %v", rep.Damage, err)
		}
		o, err := farDir(remote)
		if err != nil {
			t.Fatal(err)
		}
		cat, err := c.s.Catalog(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		done, err := c.s.Fetch(context.Background(), FetchOptions{Roots: []object.Digest{two}, From: cat, Read: o.Read})
		if err == nil {
			err = done.Release()
		}
		if err != nil {
			t.Fatal(err)
		}
		c.mustCheckout(two, c.data)
		same(t, "after the kills", listing(t, c.data), want)
		rep, err := c.s.Verify(context.Background(), []object.Digest{two}, false, nil)
		if err != nil || len(rep.Damage) > 0 {
			t.Fatalf("verify: %+v, %v", rep.Damage, err)
		}
		os.RemoveAll(c.dir)
	}
}

// killFetch starts a fetch in a child and kills it at some instant.
func killFetch(t *testing.T, rnd *rand.Rand, args []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+strings.Join(args, "\n"))
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	_, _ = bufio.NewReader(out).ReadString('\n')
	time.Sleep(time.Duration(rnd.Int64N(int64(25 * time.Millisecond))))
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if said.Len() > 0 {
		t.Fatalf("the child failed: %s", said.String())
	}
}

// A gc beside a fetch takes nothing away that the fetch has acknowledged, and a condemned pack is no place to rely on.
func TestFetchBesideGC(t *testing.T) {
	_, r, one, two := twoVersions(t)
	ctx := context.Background()
	for round := range 12 {
		c := newBench(t)
		if round%2 == 0 { // some packs are here, and condemned
			if _, err := r.fetch(t, c.s, nil, one); err != nil {
				t.Fatal(err)
			}
			c.gc()
		}
		stop, clock := make(chan struct{}), c.now.Add(time.Hour)
		var group sync.WaitGroup
		group.Go(func() {
			g, err := Open(Options{Dir: c.s.o.Dir, Index: c.s.o.Index, Clone: c.s.o.Clone, Now: func() time.Time { return clock }, Jobs: 1})
			for err == nil {
				select {
				case <-stop:
					return
				default:
				}
				var plan *GCPlan
				if plan, err = g.PlanGC(ctx, live()); err == nil {
					err = g.ApplyGC(ctx, plan)
				}
			}
			t.Error(err)
		})
		cat, err := c.s.Catalog(ctx, r.options(""))
		var done Fetched
		if err == nil {
			done, err = c.s.Fetch(ctx, FetchOptions{Roots: []object.Digest{two}, From: cat, Read: r.read})
		}
		close(stop)
		group.Wait()
		if err != nil {
			t.Fatal(err)
		}
		clock = clock.Add(30 * time.Hour)
		c.now = clock
		plan, err := c.s.PlanGC(ctx, live(two))
		if err == nil {
			err = c.s.ApplyGC(ctx, plan)
		}
		if ok, herr := c.s.Has(ctx, two); !ok || herr != nil || err != nil {
			t.Fatalf("round %d: %v, %v, %v", round, ok, herr, err)
		}
		if err := done.Release(); err != nil {
			t.Fatal(err)
		}
		if rep, err := c.s.Verify(ctx, []object.Digest{two}, true, nil); err != nil || len(rep.Damage) > 0 {
			t.Fatalf("verify: %+v, %v", rep.Damage, err)
		}
	}
}

// gc condemns everything that is in the store.
func (b *bench) gc() {
	b.t.Helper()
	plan, err := b.s.PlanGC(context.Background(), live())
	if err == nil {
		err = b.s.ApplyGC(context.Background(), plan)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// memoryChild is fetchChild that says how much memory it took at most, in KiB.
func memoryChild(args []string) error {
	if err := fetchChild(args); err != nil {
		return err
	}
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	fmt.Println(strings.Fields(rest)[0])
	return nil
}

// What a fetch holds in memory does not grow with the packs.
func TestFetchTakesLittleMemory(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil || testing.Short() {
		t.Skip("needs Linux, and writes 300 MB")
	}
	b := newBench(t)
	rnd := rand.NewChaCha8([32]byte{7})
	for i := range 3 {
		c := make([]byte, 100<<20)
		rnd.Read(c)
		b.write(fmt.Sprint("big", i), c)
	}
	root := b.save(object.Digest{}).Root
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+strings.Join([]string{"memory", filepath.Join(b.dir, "clone"), b.s.packs(), root.String()}, "\n"))
	out, err := cmd.CombinedOutput()
	var kib int
	if _, serr := fmt.Sscanf(string(out), "ready\n%d\n", &kib); serr != nil || err != nil {
		t.Fatalf("%s: %v, %v", out, err, serr)
	}
	t.Logf("%d MiB", kib>>10)
	if kib > 128<<10 {
		t.Errorf("it took %d MiB", kib>>10)
	}
}
