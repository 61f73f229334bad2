//go:build unix

package tracking

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"mlx/internal/run"
)

// process starts this binary in a role, and returns what it prints.
func process(t *testing.T, role string, args ...string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "TRACKING_TEST_ROLE="+role)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd, bufio.NewReader(out)
}

func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
}

func TestNothingAcknowledgedIsLostWhenTheEndpointIsKilled(t *testing.T) {
	b := &bench{T: t, dir: t.TempDir()}
	server, out := process(t, "server", b.dir, "127.0.0.1:0")
	b.url = firstLine(t, out)
	addr := strings.TrimPrefix(b.url, "http://")
	id := b.create(`{"run_name": "killed"}`)
	ended := b.create(`{"run_name": "ended"}`)
	b.post("runs/log-metric", `{"run_id": "`+ended+`", "key": "m", "value": 1, "timestamp": 1}`)
	b.post("runs/update", `{"run_id": "`+ended+`", "status": "FINISHED"}`)
	b.post("runs/set-tag", `{"run_id": "`+ended+`", "key": "late", "value": "yes"}`) // is not in the ledger when the endpoint is killed
	const clients = 8
	var says []*bufio.Reader
	for i := range clients {
		_, out := process(t, "client", b.url, id, fmt.Sprintf("m%d", i))
		says = append(says, out)
	}
	for round := range 3 {
		if text := firstLine(t, says[round]); !strings.HasPrefix(text, "at ") {
			t.Fatal(text)
		}
		kill(t, server)
		server, out = process(t, "server", b.dir, addr)
		firstLine(t, out)
	}
	for _, out := range says {
		text, err := io.ReadAll(out)
		if err != nil || !strings.HasSuffix(string(text), "done\n") {
			t.Fatalf("a client said %q, %v", text, err)
		}
	}
	for i := range clients {
		got := b.must("GET", fmt.Sprintf("metrics/get-history?metric_key=m%d&run_id=%s", i, id), "")
		if n := strings.Count(got, `"step"`); n != killedPoints {
			t.Errorf("m%d has %d points, want %d", i, n, killedPoints)
		}
	}
	if got := b.must("GET", "runs/get?run_id="+ended, ""); !strings.Contains(got, `{"key":"late","value":"yes"}`) || !strings.Contains(got, `"status":"FINISHED"`) {
		t.Errorf("what came after the end: %s", got)
	}
	kill(t, server)
	b.recovered(id)
}

// recovered holds that a run whose server is gone for good is recorded as lost with everything that was told, and that a client
// can go on with it.
func (b *bench) recovered(id string) {
	b.Helper()
	o, err := optionsIn(b.dir)
	if err != nil {
		b.Fatal(err)
	}
	views, err := o.Runner.Recover(context.Background())
	if err != nil || len(views) != 1 || views[0].State != run.Lost || float64(views[0].Metrics["m7"]) != killedPoints-1 {
		b.Fatalf("recovered %+v, %v", views, err)
	}
	b.open(func(*Options) {})
	b.post("runs/log-metric", `{"run_id": "`+id+`", "key": "m7", "value": 1e9, "timestamp": 1800000000000, "step": 9000}`)
	b.post("runs/update", `{"run_id": "`+id+`", "status": "FINISHED"}`)
	body := b.body(id)
	if body.State != run.Succeeded || body.Series.Points != 8*killedPoints+1 || body.Metrics["m7"] != 1e9 {
		b.Errorf("gone on with: %s, %+v, %v", body.State, body.Series, body.Metrics)
	}
}
