package repo

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// TestLock: one holds it at a time, whatever order the names are given in, and nothing is left behind.
func TestLock(t *testing.T) {
	r := &Repo{Home: t.TempDir()}
	var all sync.WaitGroup
	inside, worst := 0, 0
	names := [][]string{{"a", "b"}, {"b", "a", "b"}, {"b"}}
	var mu sync.Mutex
	for i := range 60 {
		all.Go(func() {
			release, err := r.Lock(t.Context(), names[i%3], nil)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			inside++
			worst = max(worst, inside)
			mu.Unlock()
			mu.Lock()
			inside--
			mu.Unlock()
			release()
		})
	}
	all.Wait()
	if worst != 1 {
		t.Errorf("%d held it at once", worst)
	}
	if left, err := os.ReadDir(filepath.Join(r.Home, "pipeline")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestLockGivenUp: whoever waits is told so once, and can give up.
func TestLockGivenUp(t *testing.T) {
	r := &Repo{Home: t.TempDir()}
	release, err := r.Lock(t.Context(), []string{"a"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if !r.Held("a") || r.Held("free") {
		t.Error("what is held is not told from what is free")
	}
	ctx, stop := context.WithCancel(t.Context())
	told := 0
	_, err = r.Lock(ctx, []string{"free", "a"}, func() { told++; stop() })
	if !errors.Is(err, context.Canceled) || told != 1 {
		t.Errorf("told %d times: %v", told, err)
	}
	other, err := r.Lock(t.Context(), []string{"free"}, func() { t.Error("what was given up is held") })
	if err != nil {
		t.Fatal(err)
	}
	other()
}
