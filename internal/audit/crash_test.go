package audit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// crashChild writes predictions without end, sealing every few milliseconds, and says how many are on the disk. It is killed.
func crashChild(dir, number string) error {
	s, err := openSite(dir)
	if err != nil {
		return err
	}
	o := s.options()
	o.Flush, o.SegmentAge, o.SegmentBytes = 2*time.Millisecond, 10*time.Millisecond, 4<<10
	w, err := Open(context.Background(), o)
	if err != nil {
		return err
	}
	said, err := os.OpenFile(filepath.Join(dir, "said-"+number), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	for i := 1; ; i++ {
		if err := w.Add(flight("c"+number, i)); err != nil {
			return err
		}
		if i%20 == 0 {
			time.Sleep(time.Millisecond)
			if _, err := fmt.Fprintf(said, "%s %d\n", w.name, w.Stats().Requests); err != nil {
				return err
			}
		}
	}
}

// TestKilled kills real writers at random instants, two at a time beside each other. Whatever was said to be on the disk is there afterwards,
// exactly once and in order; the chain is whole; and what was taken in and is not there is counted.
func TestKilled(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	if d, err := time.ParseDuration(os.Getenv("MLX_SOAK")); err == nil {
		rounds = int(d / (200 * time.Millisecond))
	}
	s := newSite(t)
	for i := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s\n%d", childVar, s.dir, i))
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		other := exec.Command(os.Args[0])
		other.Env = append(os.Environ(), fmt.Sprintf("%s=%s\n%d", childVar, s.dir, i+rounds))
		other.Stderr = os.Stderr
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		begun := func() bool {
			_, a := os.Stat(filepath.Join(s.dir, fmt.Sprintf("said-%d", i)))
			_, b := os.Stat(filepath.Join(s.dir, fmt.Sprintf("said-%d", i+rounds)))
			return a == nil && b == nil
		}
		until(t, "both writers write", begun)
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond) // any instant will do
		_ = cmd.Process.Kill()
		time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
		_ = other.Process.Kill()
		_, _ = cmd.Process.Wait()
		_, _ = other.Process.Wait()
		if i%3 == 0 {
			checkKilled(t, s, i, rounds) // with what is still in the spool
		}
	}
	mustClose(t, mustOpen(t, s.options()))
	checkKilled(t, s, rounds-1, rounds)
	if list, _, err := listSpool(s.spool()); err != nil || len(list) > 0 {
		t.Errorf("the spool still has %v, %v", list, err)
	}
	lost := int64(0)
	byWriter := make(map[string]int64)
	for _, e := range mustEntries(t, s) {
		lost += e.Lost
		byWriter[e.Writer] = max(byWriter[e.Writer], int64(e.Last))
	}
	t.Logf("%d writers, %d segments, %d requests on the disk, %d known to be lost", 2*rounds, len(mustEntries(t, s)), len(idsOf(t, s.log(), Window{})), lost)
}

// checkKilled holds what is in the log against what the children up to a round said.
func checkKilled(t *testing.T, s *site, last, rounds int) {
	t.Helper()
	l := s.log()
	mustVerify(t, l)
	next := make(map[string]int) // by child
	for _, id := range idsOf(t, l, Window{}) {
		child, number, _ := strings.Cut(id, "-")
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(id)
		}
		next[child] = max(next[child], n)
	}
	count := make(map[string]int)
	for _, id := range idsOf(t, l, Window{}) {
		child, _, _ := strings.Cut(id, "-")
		count[child]++
	}
	for i := range 2 * rounds {
		if i%rounds > last {
			continue
		}
		child := fmt.Sprintf("c%d", i)
		if count[child] != next[child] {
			t.Errorf("of child %s there are %d predictions up to number %d", child, count[child], next[child])
		}
		b, err := os.ReadFile(filepath.Join(s.dir, fmt.Sprintf("said-%d", i)))
		if err != nil {
			t.Fatal(err)
		}
		said := 0
		for line := range strings.Lines(string(b)) {
			if _, n, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasSuffix(line, "\n") {
				said, _ = strconv.Atoi(n)
			}
		}
		if count[child] < said {
			t.Errorf("child %s said that %d were on the disk, and %d are there", child, said, count[child])
		}
	}
}
