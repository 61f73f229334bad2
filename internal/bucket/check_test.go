package bucket_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"

	"mlx/internal/bucket"
	"mlx/internal/bucket/buckettest"
)

// TestCheckSeesWhatIsMissing breaks one thing at a time and reads what Check says of it.
func TestCheckSeesWhatIsMissing(t *testing.T) {
	denied := func(ops ...string) func(buckettest.Call) buckettest.Fault {
		return func(c buckettest.Call) buckettest.Fault {
			for _, op := range ops {
				if c.Op == op {
					return buckettest.Fault{Err: buckettest.Denied()}
				}
			}
			return buckettest.Fault{}
		}
	}
	for name, tt := range map[string]struct {
		driver  bucket.Driver
		plan    func(buckettest.Call) buckettest.Fault
		verdict map[string]string // of the probes that do not pass
		says    string
	}{
		"nothing":        {verdict: map[string]string{}},
		"down":           {plan: func(buckettest.Call) buckettest.Fault { return buckettest.Fault{Err: buckettest.Down()} }, verdict: blocked("reachable"), says: "neither push nor pull"},
		"read-only":      {plan: denied("put", "create", "delete"), verdict: blocked("write", "reachable"), says: "only read"},
		"nothing at all": {plan: denied("put", "create", "delete", "list"), verdict: blocked("write", "reachable"), says: "neither write nor list"},
		"no delete":      {plan: denied("delete"), verdict: map[string]string{"delete": bucket.Fail}, says: "neither clean up nor erase"},
		"no list":        {plan: denied("list"), verdict: map[string]string{"list": bucket.Fail}, says: "right to list"},
		"stale listing": {plan: func(c buckettest.Call) buckettest.Fault { return buckettest.Fault{Stale: true} },
			verdict: map[string]string{"list": bucket.Fail}, says: "0 of 4 new objects"},
		"wrong bytes": {plan: func(c buckettest.Call) buckettest.Fault { return buckettest.Fault{Flip: 1000} },
			verdict: map[string]string{"read after write": bucket.Fail, "range read": bucket.Fail}, says: "other bytes"},
		"no condition": {driver: careless{buckettest.Memory()},
			verdict: map[string]string{"conditional create": bucket.Fail, "conditional create at once": bucket.Fail}, says: "ignores the condition"},
		"keeps": {driver: keeper{buckettest.Memory()}, verdict: map[string]string{"delete": bucket.Fail}, says: "still there"},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.driver == nil {
				tt.driver = buckettest.Memory()
			}
			b := bucket.New(buckettest.Faults(tt.driver, tt.plan), "mem://test", quick())
			probes, err := b.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			for _, p := range probes {
				want := tt.verdict[p.Name]
				if want == "" {
					want = bucket.Pass
				}
				if p.Verdict != want {
					t.Errorf("%s: %s (%s), want %s", p.Name, p.Verdict, p.Text, want)
				}
				said.WriteString(p.Text + "\n")
			}
			if !strings.Contains(said.String(), tt.says) {
				t.Errorf("nobody says %q:\n%s", tt.says, said.String())
			}
		})
	}
}

// blocked are the verdicts when one probe fails that others need; passing ones are named after it.
func blocked(failed string, passing ...string) map[string]string {
	verdicts := map[string]string{failed: bucket.Fail}
	for _, name := range []string{"reachable", "write", "read after write", "range read", "list", "conditional create",
		"conditional create at once", "overwrite", "old versions", "encryption at rest", "delete"} {
		if name != failed {
			verdicts[name] = bucket.Inconclusive
		}
	}
	for _, name := range passing {
		delete(verdicts, name)
	}
	return verdicts
}

// quick waits without waiting.
func quick() bucket.Options {
	return bucket.Options{Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }, Jitter: func() float64 { return 1 }}
}

// careless is a store that ignores conditions.
type careless struct{ bucket.Driver }

func (c careless) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, _ bool) error {
	return c.Driver.Put(ctx, key, body, size, false)
}

// keeper is a store that says yes to a deletion and does nothing.
type keeper struct{ bucket.Driver }

func (keeper) Delete(context.Context, string) error { return nil }

func TestCheckLeavesNothing(t *testing.T) {
	for name, b := range places(t) {
		probes, err := b.Check(t.Context())
		if err != nil || len(probes) < 10 {
			t.Fatalf("%s: %d probes: %v", name, len(probes), err)
		}
		for _, p := range probes {
			if p.Verdict != bucket.Pass {
				t.Errorf("%s: %s: %s", name, p.Name, p.Text)
			}
		}
		if left := list(t, b, ""); len(left) != 0 {
			t.Errorf("%s: left behind: %q", name, left)
		}
	}
}

func TestCheckCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	memory := buckettest.Memory()
	b := bucket.New(buckettest.Faults(memory, func(c buckettest.Call) buckettest.Fault {
		if c.N == 9 {
			cancel()
		}
		return buckettest.Fault{}
	}), "mem://test", quick())
	if _, err := b.Check(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("want cancelled: %v", err)
	}
	if left := list(t, bucket.New(memory, "mem://test", quick()), ""); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
	if _, _, err := memory.Get(t.Context(), "check", 0, -1); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
