package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
)

// TestFourPushAtOnce lets four clones push into one folder as processes of their own, again and again, beside a fifth that collects
// garbage there: each of these ends well, and in the end a new clone has what all have pushed.
func TestFourPushAtOnce(t *testing.T) {
	const clones, pushes = 4, 4
	p := newSomebody(t)
	p.project("c0", 1, 100_000)
	p.share("c0", "remote")
	p.do("c0", "mlx", "push")
	for i := 1; i < clones; i++ {
		dir := fmt.Sprintf("c%d", i)
		p.do(".", "git", "clone", "-q", "c0", dir)
		p.do(dir, "mlx", "trust", "-y")
		p.do(dir, "mlx", "pull")
	}
	p.do(".", "git", "clone", "-q", "c0", "gc")
	p.do("gc", "mlx", "trust", "-y")
	p.do("gc", "mlx", "pull")
	want := map[string][32]byte{}
	var all sync.WaitGroup
	failed := make([]error, clones)
	for i := range clones {
		dir := fmt.Sprintf("c%d", i)
		for k := range pushes {
			p.write(seeded(1000*i+k, 60_000), dir, fmt.Sprintf("own%d-%d", i, k), "file")
		}
		all.Go(func() {
			for k := range pushes {
				data := fmt.Sprintf("own%d-%d", i, k)
				for _, words := range [][]string{{"mlx", "snapshot", "-q", data}, {"mlx", "push", "-q"}} {
					if out, err := p.command(dir, words...).CombinedOutput(); err != nil {
						failed[i] = fmt.Errorf("%q in %s: %w\n%s", words, dir, err, out)
						return
					}
				}
			}
		})
	}
	pushed := make(chan struct{})
	go func() {
		all.Wait()
		close(pushed)
	}()
	collections := p.collect("gc", pushed)
	if err := errors.Join(failed...); err != nil {
		t.Fatal(err)
	}
	p.do("c0", "mlx", "pull")
	p.do(".", "git", "clone", "-q", "c0", "fresh")
	p.do("fresh", "mlx", "trust", "-y")
	for i := range clones { // pointer files travel by git
		dir := fmt.Sprintf("c%d", i)
		maps.Copy(want, only(p.sums(dir), fmt.Sprintf("own%d-", i)))
		for k := range pushes {
			name := fmt.Sprintf("own%d-%d.mlx", i, k)
			pointer, err := os.ReadFile(p.path(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			p.write(pointer, "fresh", name)
		}
	}
	p.do("fresh", "mlx", "pull")
	if got := only(p.sums("fresh"), "own"); !maps.Equal(got, want) {
		t.Errorf("%d files came of %d, or others", len(got), len(want))
	}
	p.do("fresh", "mlx", "verify")
	p.do("fresh", "mlx", "verify", "-r", "share")
	t.Logf("%d collections meanwhile", collections)
	if n := strings.Count(p.do("fresh", "mlx", "log", "-k", "snapshot", "-n", "0", "--json"), "\n"); n != 1+clones*pushes {
		t.Errorf("%d records of snapshots came, not %d", n, 1+clones*pushes)
	}
}

// collect runs gc at the remote until done is closed, at least once, and returns how often.
func (p *somebody) collect(dir string, done <-chan struct{}) int {
	p.t.Helper()
	for n := 1; ; n++ {
		if out, problem, status := p.try(dir, "mlx", "gc", "-r", "share", "-y"); status != 0 {
			p.t.Errorf("gc: status %d\n%s%s", status, out, problem)
		}
		select {
		case <-done:
			return n
		default:
		}
	}
}

// only returns the data files, not the pointer files, whose path begins with a prefix.
func only(all map[string][32]byte, prefix string) map[string][32]byte {
	out := map[string][32]byte{}
	for name, sum := range all {
		if strings.HasPrefix(name, prefix) && strings.HasSuffix(name, "/file") {
			out[name] = sum
		}
	}
	return out
}
