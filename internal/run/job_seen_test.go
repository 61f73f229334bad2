package run

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

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

// TestNothingNew: a look that says what was known is not kept, but for when a run was last seen running, until which its cost is known.
func TestNothingNew(t *testing.T) {
	then := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	now := then.Add(time.Minute)
	for _, c := range []struct {
		name          string
		before, after Seen
		want          bool
	}{
		{"it waits as before", Seen{State: Pending, Reason: "full", At: then}, Seen{State: Pending, Reason: "full", At: now}, true},
		{"it waits for something else", Seen{State: Pending, Reason: "full", At: then}, Seen{State: Pending, Reason: "quota", At: now}, false},
		{"it is running", Seen{State: Running, At: then}, Seen{State: Running, At: now}, false},
		{"it is over", Seen{State: Running, Ready: true, At: then}, Seen{State: Running, Ready: true, At: now}, true},
		{"it has ended", Seen{State: Running, At: then}, Seen{State: Running, Ready: true, At: now}, false},
		{"nobody knows", Seen{State: Unobserved, At: then}, Seen{State: Unobserved, At: now}, false},
	} {
		if got := c.after.NothingNew(c.before); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
