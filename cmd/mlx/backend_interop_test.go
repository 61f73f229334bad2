//go:build interop

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"mlx/internal/train"
)

// updateDrivers writes the table of docs/drivers.md anew from what this run saw.
func updateDrivers() bool { return flag.Lookup("update-drivers").Value.String() == "true" }

var _ = flag.Bool("update-drivers", false, "write the table of docs/drivers.md from what was seen")

// triedBackend is a real server that every case is tried at.
type triedBackend struct {
	name     string
	backends string            // backends.yaml: the backend is called like name
	env      map[string]string // of mlx
	disturb  string            // program for --disturb; empty: nothing can be disturbed
}

// triedBackends are the backends of this machine: .ci/interop starts the servers. A variable that is not set is a failure.
func triedBackends(t *testing.T) []triedBackend {
	t.Helper()
	value := func(name string) string {
		v := os.Getenv(name)
		if v == "" {
			t.Fatalf("%s is not set: .ci/interop starts the servers and sets it", name)
		}
		return v
	}
	ci, err := filepath.Abs("../../.ci")
	if err != nil {
		t.Fatal(err)
	}
	// What pods keep on their node, as a volume of a cluster would: mlx is sent once.
	kept := "{volumes: [{name: kept, hostPath: {path: '" + filepath.Join(value("WORKDIR"), "kube-node") + "', type: DirectoryOrCreate}}], " +
		"containers: [{name: run, volumeMounts: [{name: kept, mountPath: /mlx}]}]}"
	all := []triedBackend{
		{name: "local", backends: "{type: local}"},
		{name: "ssh", backends: "{type: ssh, hosts: [gpu-box, gpu-two]}", env: map[string]string{"MLX_SSH": "ssh -F " + value("MLX_TEST_SSH")}, disturb: filepath.Join(ci, "sshd")},
		{name: "slurm", backends: "{type: slurm, resources: {gpus: 1}}", env: map[string]string{"SLURM_CONF": value("MLX_TEST_SLURM")}, disturb: filepath.Join(ci, "slurm")},
		{name: "ray", backends: "{type: ray, url: '" + value("MLX_TEST_RAY") + "', resources: {gpus: 1}}", env: map[string]string{rayTokenPath: value(rayTokenPath)}, disturb: filepath.Join(ci, "ray")},
		{name: "kubernetes", backends: "{type: kubernetes, image: '" + value("MLX_TEST_KUBE_IMAGE") + "', agent: '" + staticProgram(t) + "', resources: {gpus: 1}, pod: " + kept + "}",
			env: map[string]string{"KUBECONFIG": value("MLX_TEST_KUBE")}, disturb: filepath.Join(ci, "kube")},
	}
	return all
}

// TestInteropBackends tries every case at every real backend with the very command that users have, and holds the table
// of docs/drivers.md against what was seen.
func TestInteropBackends(t *testing.T) {
	home := newSomebody(t)
	home.do("", "mkdir", "project")
	home.do("project", "git", "init", "-q")
	home.do("project", "mlx", "init")
	seen := map[string]map[int]train.Finding{}
	backends := triedBackends(t)
	var text strings.Builder
	for _, b := range backends {
		dir := strings.TrimSuffix(strings.TrimPrefix(b.backends, "{"), "}")
		fmt.Fprintf(&text, "%s: {%s, dir: '%s'}\n", b.name, dir, home.path("node-"+b.name))
	}
	if err := os.WriteFile(home.path("project/.git/mlx/backends.yaml"), []byte(text.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	t.Run("each", func(t *testing.T) { // it returns when all of them have ended
		for _, b := range slices.Backward(backends) { // the slowest ones first
			t.Run(b.name, func(t *testing.T) {
				t.Parallel()
				found := tryBackend(t, home, b)
				mu.Lock()
				defer mu.Unlock()
				seen[b.name] = found
			})
		}
	})
	holdTable(t, "backends", driversTable(backends, seen), "TestInteropBackends")
}

// holdTable compares a table of docs/drivers.md with what was seen, or writes it anew.
func holdTable(t *testing.T, name, want, test string) {
	t.Helper()
	const file = "../../docs/drivers.md"
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := []byte("<!-- "+name+" -->\n"), []byte("<!-- end "+name+" -->\n")
	before, rest, ok := bytes.Cut(page, begin)
	_, after, ok2 := bytes.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table %s", file, name)
	}
	if updateDrivers() {
		page = append(append(append(append(before, begin...), want...), end...), after...)
		if err := os.WriteFile(file, page, 0o666); err != nil {
			t.Fatal(err)
		}
	} else if !t.Failed() && !bytes.Contains(page, []byte(want)) {
		t.Errorf("%s is not what was seen: go test -tags interop ./cmd/mlx -run %s -update-drivers; seen:\n%s", file, test, want)
	}
}

// tryBackend returns what each case found.
func tryBackend(t *testing.T, home *somebody, b triedBackend) map[int]train.Finding {
	t.Helper()
	args := []string{"backend", "check", b.name, "--json"}
	if b.disturb != "" {
		args = append(args, "--disturb", b.disturb)
	}
	cmd := home.command("project", append([]string{"mlx"}, args...)...)
	for name, value := range b.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var problem bytes.Buffer
	cmd.Stderr = &problem
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() == 2) {
		t.Fatalf("%v: %s", err, problem.String())
	}
	var v struct{ Cases []train.Finding }
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatalf("%v: %s %s", err, out, problem.String())
	}
	found := map[int]train.Finding{}
	for _, f := range v.Cases {
		found[f.Number] = f
		t.Logf("%2d %-10s %-12s %5.1f s  %s", f.Number, f.Case, f.Verdict, f.Seconds, f.Text)
	}
	for _, f := range v.Cases { // after all of them: who reads the end of the output sees what failed
		if f.Verdict == "fail" {
			t.Errorf("case %d, %s: %s", f.Number, f.Title, f.Text)
		}
	}
	if len(found) != len(train.Conformance()) {
		t.Errorf("%d cases were tried", len(found))
	}
	return found
}

// driversTable is the table of docs/drivers.md.
func driversTable(backends []triedBackend, seen map[string]map[int]train.Finding) string {
	var names []string
	for _, x := range backends {
		names = append(names, x.name)
	}
	text := pointsHead(names)
	for _, c := range train.Conformance() {
		var words []string
		for _, x := range backends {
			words = append(words, verdictWord(seen[x.name][c.Number].Verdict))
		}
		text += pointsRow(c.Number, c.Title, words)
	}
	return text
}

// pointsHead begins a table of docs/drivers.md: a column for each of who was tried, pointsRow a line for each point.
func pointsHead(names []string) string {
	return "| | point | " + strings.Join(names, " | ") + " |\n| --- | --- |" + strings.Repeat(" --- |", len(names)) + "\n"
}

func pointsRow(number int, title string, words []string) string {
	return fmt.Sprintf("| %d | %s | %s |\n", number, title, strings.Join(words, " | "))
}

// verdictWord is what docs/drivers.md calls a verdict.
func verdictWord(verdict string) string {
	return map[string]string{"pass": "real", "fail": "**fails**", "refused": "refused", "inconclusive": "not tried"}[verdict]
}
