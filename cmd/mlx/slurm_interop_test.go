//go:build interop

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// slurmProject is a project of somebody who uses the Slurm of .ci/slurm: two nodes with 64 processors each. stages are added to mlx.yaml.
func slurmProject(t *testing.T, stages string) *somebody {
	t.Helper()
	conf := os.Getenv("MLX_TEST_SLURM")
	if conf == "" {
		t.Fatal(`MLX_TEST_SLURM is not set: .ci/slurm up && eval "$(.ci/slurm env)"`)
	}
	p := newSomebody(t)
	p.env = append(p.env, "SLURM_CONF="+conf)
	p.write([]byte("/data/*/\n*.prof\n*.json\nmodel-*\n"), "project/.gitignore")
	p.do("project", "git", "init", "-q")
	p.do("project", "mlx", "init")
	text, err := os.ReadFile(p.path("project/mlx.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	// Two have room on a node of 64, three have not, so that four side by side need both nodes; what other tests run fits beside them.
	text = fmt.Appendf(text, "backends:\n  slurm: {type: slurm, dir: '%s', resources: {cpus: 24}}\n%s", p.path("node"), stages)
	p.write(text, "project/mlx.yaml")
	p.do("project", "mlx", "trust", "-y")
	return p
}

func (p *somebody) commit() {
	p.t.Helper()
	p.do("project", "git", "add", "-A")
	p.do("project", "git", "commit", "-qm", "all")
}

// oneArray holds that n jobs are the tasks of one array, and returns its number in Slurm.
func (p *somebody) oneArray(n int) string {
	p.t.Helper()
	var handles []string
	names, err := filepath.Glob(p.path("node/jobs/*/slurm_id"))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			p.t.Fatal(err)
		}
		handles = append(handles, strings.TrimSpace(string(text)))
	}
	slices.Sort(handles)
	array, _, _ := strings.Cut(handles[0], "_")
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf("%s_%d", array, i))
	}
	if !slices.Equal(handles, want) {
		p.t.Errorf("Slurm calls the jobs %v, not %v", handles, want)
	}
	return array
}

// TestInteropSlurmRanks lets 64 processes on two nodes meet, and fails one of them.
func TestInteropSlurmRanks(t *testing.T) {
	p := slurmProject(t, "")
	script, err := os.ReadFile("testdata/train/rendezvous.py")
	if err != nil {
		t.Fatal(err)
	}
	p.write(script, "project/rendezvous.py")
	p.commit()
	began := time.Now()
	out := p.do("project", "mlx", "run", "--on", "slurm", "--nodes", "2", "--ranks", "32", "--", "python3", "rendezvous.py")
	if !strings.Contains(out, "64 ranks met within") {
		t.Errorf("it printed %q", out)
	}
	t.Logf("%s, %.1f s in all", strings.TrimSpace(out), time.Since(began).Seconds())

	began = time.Now()
	_, problem, status := p.try("project", "mlx", "run", "--on", "slurm", "--nodes", "2", "--ranks", "4", "--", "sh", "-c", `[ "$RANK" != 6 ] || exit 5; exec sleep 100`)
	if took := time.Since(began); status == 0 || !strings.Contains(problem, "rank 6") || took > time.Minute {
		t.Errorf("after rank 6 of 8 failed: status %d after %.1f s: %s", status, took.Seconds(), problem)
	}
}

// TestInteropSlurmImage: a command runs in the image, as the other backends read its name, also where Apptainer has its old name. A script
// stands for that, which is not here.
func TestInteropSlurmImage(t *testing.T) {
	p := slurmProject(t, "")
	p.write([]byte("#!/bin/sh\necho \"$*\"\nshift 2\nexec \"$@\"\n"), "bin/singularity")
	if err := os.Chmod(p.path("bin/singularity"), 0o755); err != nil {
		t.Fatal(err)
	}
	p.env = append(p.env, "PATH="+p.path("bin")+":"+os.Getenv("PATH"))
	p.commit()
	out := p.do("project", "mlx", "run", "--on", "slurm", "--image", "pytorch/pytorch:2", "--", "echo", "a  b")
	if want := "exec docker://pytorch/pytorch:2 echo a  b\na  b\n"; out != want {
		t.Errorf("it printed %q, not %q", out, want)
	}
}

// TestInteropSlurmShards divides a profile among the nodes: it is that of one pass, byte for byte.
func TestInteropSlurmShards(t *testing.T) {
	p := slurmProject(t, "")
	var rows strings.Builder
	rows.WriteString("id,day,carrier,tail,delay\n") // id and tail have more values than are counted one by one; some tails are frequent
	for i := range 300_000 {
		fmt.Fprintf(&rows, "%d,%d,%s,N%d,%d.%d\n", i, i%365, []string{"AA", "B6", "DL", "UA"}[i*7%4], i%(1+i%30_000), i*31%240-20, i%10)
	}
	p.write([]byte(rows.String()), "project/data/flights/all.csv")
	p.do("project", "mlx", "snapshot", "data/flights")
	p.commit()
	began := time.Now()
	one := p.do("project", "mlx", "profile", "data/flights", "-o", "one.prof", "--json")
	alone := time.Since(began)
	began = time.Now()
	many := p.do("project", "mlx", "profile", "data/flights", "--on", "slurm", "--shards", "4", "-o", "many.prof", "--json")
	t.Logf("%d bytes in one pass: %.1f s; as 4 shards on 2 nodes: %.1f s", rows.Len(), alone.Seconds(), time.Since(began).Seconds())
	a, err := os.ReadFile(p.path("project/one.prof"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(p.path("project/many.prof"))
	if err != nil || string(a) != string(b) || one != many {
		t.Errorf("the profile of 4 shards is not that of one pass (%d and %d bytes): %v", len(a), len(b), err)
	}
	p.oneArray(4)
}

// TestInteropSlurmSnapshotShards saves and verifies a folder on a disk that the nodes share: the version, and the report, of one pass.
func TestInteropSlurmSnapshotShards(t *testing.T) {
	p := slurmProject(t, "")
	random := rand.New(rand.NewPCG(9, 9))
	for i := range 60 {
		content := make([]byte, 1<<19+random.IntN(1<<19))
		for k := range content {
			content[k] = byte(random.Uint32() >> 28)
		}
		name := fmt.Sprintf("%d/scan-%02d", i%7, i)
		p.write(content, "far/"+name)
		p.write(content, "one/data/scans/"+name)
	}
	p.do("one", "git", "init", "-q")
	p.do("one", "mlx", "init")
	began := time.Now()
	p.do("one", "mlx", "snapshot", "data/scans")
	alone := time.Since(began)
	p.commit()
	began = time.Now()
	p.do("project", "mlx", "snapshot", "data/scans", "--from", p.path("far"), "--on", "slurm", "--shards", "4")
	t.Logf("one pass: %.1f s; as 4 shards on 2 nodes: %.1f s", alone.Seconds(), time.Since(began).Seconds())
	a, err := os.ReadFile(p.path("one/data/scans.mlx"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(p.path("project/data/scans.mlx"))
	if err != nil || string(a) != string(b) {
		t.Errorf("4 shards make %s, one pass %s: %v", b, a, err)
	}
	p.oneArray(4)
	p.do("project", "mlx", "checkout", "data/scans")
	if out := p.do("project", "diff", "-r", p.path("far"), "data/scans"); out != "" {
		t.Errorf("what came back differs: %s", out)
	}
	p.do("project", "mlx", "verify", "--on", "slurm", "--shards", "2") // after it nothing new is sent
	one := p.do("project", "mlx", "verify", "--json")
	if many := p.do("project", "mlx", "verify", "--on", "slurm", "--shards", "4", "--json"); one != many {
		t.Errorf("one pass finds %s, 4 shards %s", one, many)
	}
}

// TestInteropSlurmMatrix: the cells of a matrix are the tasks of one array, on both nodes.
func TestInteropSlurmMatrix(t *testing.T) {
	p := slurmProject(t, `stages:
  train:
    matrix: {depth: [1, 2, 3, 4]}
    cmd: sh meet.sh model-${item.depth}
    outs: ["model-${item.depth}"]
    on: slurm
`)
	// Each waits for the others, so that none of them leaves its processor to the next before all of them have one.
	p.write([]byte(fmt.Sprintf(`echo "$SLURMD_NODENAME" >$1
mkdir -p %[1]s
touch %[1]s/$1
for try in $(seq 1500); do
  [ "$(ls %[1]s | wc -l)" = 4 ] && exit
  sleep 0.1
done
echo "the other cells did not come" >&2
exit 1
`, p.path("meeting"))), "project", "meet.sh")
	p.commit()
	began := time.Now()
	out := p.do("project", "mlx", "repro", "-j", "4")
	t.Logf("4 cells of a matrix as array %s: %.1f s", p.oneArray(4), time.Since(began).Seconds())
	if n := len(regexp.MustCompile(`(?m)^ran\ttrain@depth=`).FindAllString(out, -1)); n != 4 {
		t.Errorf("%d of 4 ran: %s", n, out)
	}
	nodes := map[string]int{}
	for i := range 4 {
		text, err := os.ReadFile(p.path("project", fmt.Sprintf("model-%d", i+1)))
		if err != nil {
			t.Fatal(err)
		}
		nodes[strings.TrimSpace(string(text))]++
	}
	if nodes["n1"] != 2 || nodes["n2"] != 2 {
		t.Errorf("they ran on %v", nodes)
	}
}

// TestInteropSlurmClientKilled kills mlx while it submits: whoever waits for the job next has its results; Slurm got it once, and it was
// executed once.
func TestInteropSlurmClientKilled(t *testing.T) {
	t.Parallel() // it waits, most of the time
	p := slurmProject(t, "")
	p.write([]byte("echo $MLX_RUN_ID >>\"$1/count\"\nsleep 0.2\necho $2 >model-word\necho $2\n"), "project", "job.sh")
	p.commit()
	submit := func(word string) []string {
		return []string{"mlx", "run", "--on", "slurm", "--detach", "-o", "model-word", "--", "sh", "job.sh", p.home, word}
	}
	p.do("project", submit("first")...) // lays out what there is only once
	p.do("project", "mlx", "job", "wait", "@last")
	random, names := rand.New(rand.NewPCG(4, 2)), map[string]int{}
	began, rounds, kills := time.Now(), 8, 0
	p.do("project", submit("second")...)
	whole := time.Since(began)
	p.do("project", "mlx", "job", "wait", "@last")
	for round := range rounds {
		word := fmt.Sprintf("round%d", round)
		began = time.Now()
		if p.killed(time.Duration((float64(round)+random.Float64())/float64(rounds)*float64(whole)), "project", submit(word)...) {
			kills++
		} else {
			whole = min(whole, time.Since(began)) // this machine was busy when it was measured
		}
		id, _ := p.stateOf("project")
		if id == "" {
			continue // it was not recorded
		}
		names["mlx-"+id[:12]] = 0
		if out := p.do("project", "mlx", "job", "attach", id); out != word+"\n" {
			t.Errorf("%s: it printed %q", word, out)
		}
		if got, err := os.ReadFile(p.path("project", "model-word")); err != nil || string(got) != word+"\n" {
			t.Errorf("%s: its output is %q, %v", word, got, err)
		}
		if id, state := p.stateOf("project"); id != "" {
			t.Errorf("%s: run %s is still %s", word, id, state)
		}
	}
	for name := range strings.FieldsSeq(p.do("project", "squeue", "-h", "-a", "-t", "all", "-o", "%j")) {
		if _, ours := names[name]; ours {
			names[name]++
		}
	}
	for name, n := range names {
		if n > 1 {
			t.Errorf("Slurm got %s %d times", name, n)
		}
	}
	seen := map[string]bool{}
	for _, id := range p.executed() {
		if seen[id] {
			t.Errorf("run %s was executed twice", id)
		}
		seen[id] = true
	}
	if len(seen) != len(names)+2 || len(p.ends("project")) != len(seen) {
		t.Errorf("%d runs were found, %d executed, %d ended", len(names)+2, len(seen), len(p.ends("project")))
	}
	if t.Logf("a submit takes %.1f s; killed %d times of %d, %d runs", whole.Seconds(), kills, rounds, len(names)); kills == 0 || len(names) == 0 {
		t.Errorf("killed %d times, %d runs", kills, len(names))
	}
	p.do("project", "mlx", "verify")
	p.nothingLeft()
}
