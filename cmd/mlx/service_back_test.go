//go:build unix

package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestServiceRollbackFromNothing goes back to a release of which no server runs, whose code is in no commit and no work tree any more, after gc,
// on a machine that has forgotten all that it laid out, while the remote is gone: what a rollback needs is pinned, and is here.
func TestServiceRollbackFromNothing(t *testing.T) {
	t.Parallel()
	h := newHosted(t, "flights", map[string]string{"one.json": `{"w": 1}`, "two.json": `{"w": 2}`, "mlx.yaml": strings.ReplaceAll(faultyService,
		`test ! -e "$DOWN/$MLX_MODEL_VERSION" && exec servedmodel`, "exec sh ./serve.sh")})
	h.register("flights", "one.json", "two.json")
	h.mlx("remote", "add", "share", h.path("share"))
	h.write([]byte("exec servedmodel # one\n"), "project", "serve.sh")
	h.start()
	h.mlx("deploy", "flights", "flights@v1")
	h.write([]byte("exec servedmodel # two\n"), "project", "serve.sh")
	u := h.ask(50, servedQuestion())
	h.mlx("deploy", "flights", "flights@v2")
	u.since(5) // those that were under way
	u.stop("v1", "v2")
	h.mlx("push")

	h.env = append(h.env, "JUMP="+h.path("jump"))
	for _, off := range []string{"0s", "48h"} { // what is needed by nothing is condemned, and goes a day later
		h.write([]byte(off), "jump")
		out := h.do("project", "jumping", "gc", "--keep-within", "0s", "--dry-run")
		if !strings.Contains(out, "stays\tcode of a release of service flights\t") {
			t.Errorf("what gc would keep: %s", out)
		}
		h.do("project", "jumping", "gc", "--keep-within", "0s")
	}
	_ = h.run.cmd.Process.Signal(syscall.SIGTERM)
	h.run.end()
	for _, name := range []string{h.path("share"), h.state("releases"), h.state("arms.json"), h.state("router")} {
		if err := os.RemoveAll(name); err != nil {
			t.Fatal(err)
		}
	}
	h.start()
	h.awaits("v2 is in service again", func() bool { return h.once(servedQuestion()) == "v2" })
	u = h.ask(50, servedQuestion())
	began := time.Now()
	h.mlx("rollback", "flights")
	took := time.Since(began)
	t.Logf("rolled back in %.2f s, with the start of its server", took.Seconds())
	if took > time.Minute {
		t.Errorf("it took %v", took)
	}
	u.since(5)
	if now := u.since(20); len(now) != 1 || now["v1"] == 0 {
		t.Errorf("afterwards: %v", now)
	}
	u.stop("v1", "v2")
	text, err := os.ReadFile(h.state("releases", h.status().arm("stable").Release[:12], "app", "serve.sh"))
	if err != nil || string(text) != "exec servedmodel # one\n" {
		t.Errorf("its code is %q, %v", text, err)
	}
}
