package run

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"mlx/internal/object"
)

// A job is looked at by its follower, by the mirror of its files, and by whoever lists jobs.
func TestSeenByManyAtOnce(t *testing.T) {
	t.Parallel()
	jobs, id := t.TempDir(), object.Sum([]byte("a run"))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				if err := See(jobs, id, Seen{State: Running}); err != nil {
					t.Error(err)
				}
				if s, ok := SeenOf(jobs, id); !ok || s.State != Running {
					t.Errorf("seen: %+v, %v", s, ok)
				}
			}
		})
	}
	all.Wait()
	if left, err := os.ReadDir(filepath.Join(jobs, id.Hex())); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}
