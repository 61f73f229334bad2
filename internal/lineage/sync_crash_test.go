package lineage

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"mlx/internal/object"
)

// crashJob is what a child that is about to be killed does, as JSON in a file.
type crashJob struct {
	Dir     string
	Packs   []string // to import, then redactions are applied
	Private []byte
	Records []object.Digest // to redact
}

func runCrashJob(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var job crashJob
	if err := json.Unmarshal(b, &job); err != nil {
		return err
	}
	l, err := Open(Options{Dir: job.Dir, Now: time.Now, By: "job", Host: "crash", PID: os.Getpid()})
	if err != nil {
		return err
	}
	ctx := context.Background()
	for _, id := range job.Records {
		if _, err := l.Redact(ctx, id, "why", job.Private, nil); err != nil {
			return err
		}
	}
	for _, name := range job.Packs {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if _, _, err := l.Import(ctx, data, object.Sum(data)); err != nil {
			return err
		}
	}
	if _, err := l.ApplyRedactions(ctx); err != nil {
		return err
	}
	return l.Close()
}

func writeJob(t *testing.T, job crashJob) string {
	t.Helper()
	b, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "job")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// killed runs the job in a process that is killed after a while, and reports whether it had ended before.
func killed(t *testing.T, job string, after time.Duration) bool {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"=job:"+job)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	return err == nil
}

func copyLedger(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "ledger")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// Redacting is killed at random instants. Whatever is left is sound, keeps every id in its place, and a rerun leaves no byte of the secret.
func TestRedactCrash(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes for seconds")
	}
	base, private, _ := keyed(t)
	var secrets []object.Digest
	for i := range 4 {
		addMany(t, base, 300)
		secrets = append(secrets, addSecret(t, base).ID)
		if i < 3 {
			if err := base.Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	leaves := leavesOf(t, base)
	begin := time.Now()
	killed(t, writeJob(t, crashJob{Dir: copyLedger(t, base.opts.Dir), Private: private, Records: secrets}), time.Minute)
	span := time.Since(begin)
	ended := 0
	for range 25 {
		dir := copyLedger(t, base.opts.Dir)
		job := writeJob(t, crashJob{Dir: dir, Private: private, Records: secrets})
		if killed(t, job, time.Duration(rand.Int64N(int64(span)))) {
			ended++
		}
		l := open(t, dir)
		if r := verified(t, l); !r.OK() {
			t.Fatalf("%+v", r.Problems)
		}
		if got := leavesOf(t, l); len(got) < len(leaves) || !slices.Equal(got[:len(leaves)], leaves) {
			t.Fatal("the log has changed")
		}
		if !killed(t, job, time.Minute) {
			t.Fatal("a rerun fails")
		}
		l.opts.Now = func() time.Time { return time.Now().Add(2 * time.Hour) } // for what crashes have left in tmp
		if n, err := l.ApplyRedactions(t.Context()); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		clean(t, l)
		if got := leavesOf(t, l); len(got) < len(leaves) || !slices.Equal(got[:len(leaves)], leaves) {
			t.Fatal("the log has changed")
		}
	}
	t.Logf("%d of 25 had ended before they were killed", ended)
}

// Imports of the same packs, redactions among them, are killed while others write and seal; nothing acknowledged is lost, everything imported comes in,
// and the secret goes.
func TestImportCrash(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes for seconds")
	}
	from, private, _ := keyed(t)
	var names []string
	known := map[object.Digest]bool{}
	export := func() {
		for _, p := range exported(t, from, func(id object.Digest) bool { return known[id] }) {
			for _, id := range p.IDs {
				known[id] = true
			}
			names = append(names, filepath.Join(t.TempDir(), fmt.Sprint(len(names))))
			if err := os.WriteFile(names[len(names)-1], p.Data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 3 {
		addMany(t, from, 1100)
		export()
	}
	bad := addSecret(t, from)
	export()
	if _, err := from.Redact(t.Context(), bad.ID, "why", private, nil); err != nil {
		t.Fatal(err)
	}
	export()
	h := &harness{t: t, dir: filepath.Join(t.TempDir(), "ledger"), safe: map[object.Digest]bool{}, gone: 1}
	job := writeJob(t, crashJob{Dir: h.dir, Packs: names})
	stop := make(chan bool)
	var jobs sync.WaitGroup
	jobs.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				killed(t, job, time.Duration(rand.IntN(400))*time.Millisecond)
			}
		}
	})
	h.run(3*time.Second, "writer")
	close(stop)
	jobs.Wait()
	if !killed(t, job, time.Minute) {
		t.Fatal("a rerun fails")
	}
	if lost := h.after(); lost > 0 {
		t.Errorf("%d of %d acknowledged records are lost", lost, len(h.safe))
	}
	l := open(t, h.dir)
	l.opts.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	if _, err := l.ApplyRedactions(t.Context()); err != nil {
		t.Fatal(err)
	}
	clean(t, l)
	all := leavesOf(t, l)
	have := map[object.Digest]bool{}
	for _, id := range all {
		have[id] = true
	}
	for id := range known {
		if !have[id] {
			t.Fatalf("record %s was not imported", id.Short())
		}
	}
	if len(have) != len(all) {
		t.Errorf("%d records, %d of them different", len(all), len(have))
	}
}
