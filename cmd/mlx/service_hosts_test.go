package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"testing"

	"mlx/internal/deploy"
	"mlx/internal/deploy/fleet"
	"mlx/internal/gate"
	"mlx/internal/repo"
)

// TestAHostBeginsNoController: on one of several hosts nothing is seen of whoever controls them all. A service that starts there reads no records
// to find a rollout that it could go on with, and begins none.
func TestAHostBeginsNoController(t *testing.T) {
	s := &served{name: "flights", dir: t.TempDir(), cfg: repo.Service{Hosts: []repo.Host{{Host: "a", Dir: "/srv"}}}} // there are no records
	if err := s.goOn(t.Context(), true); err != nil {
		t.Error(err)
	}
}

// strengthOf is a host that says what came of the requests that it was brought.
type strengthOf struct {
	strengthSaid
	deploy.Driver
	asked *strength
}

func (h strengthOf) Answer(_ context.Context, _ string, of json.RawMessage) (any, error) {
	return h.strengthSaid, json.Unmarshal(of, h.asked)
}

// TestEachHostHoldsItsPartOfTheLoad: one that does not is enough, and is named; one without servers yet is looked at again.
func TestEachHostHoldsItsPartOfTheLoad(t *testing.T) {
	for want, said := range map[string][]strengthSaid{
		"pass: warm":                        {{gate.Pass, "warm"}, {gate.Pass, "warm"}},
		"fail: host b: warm-up: status 500": {{gate.Inconclusive, "too few"}, {gate.Fail, "warm-up: status 500"}},
		"inconclusive: host a: too few":     {{gate.Inconclusive, "too few"}, {gate.Pass, "warm"}},
		": ":                                {{gate.Pass, "warm"}, {}},
	} {
		hosts := &hostsTarget{Driver: &fleet.Driver{}}
		asked := make([]strength, len(said))
		for i, one := range said {
			remote := &fleet.Remote{Dial: func(context.Context) (io.ReadWriteCloser, error) {
				here, there := net.Pipe()
				go func() {
					_ = fleet.Serve(context.Background(), there, there, "s", strengthOf{strengthSaid: one, asked: &asked[i]})
				}()
				return here, nil
			}}
			t.Cleanup(func() { _ = remote.Close() })
			hosts.Members = append(hosts.Members, fleet.Member{Name: string(rune('a' + i)), Target: &hostMember{Remote: remote}})
		}
		got, err := hosts.strong(t.Context(), strength{Key: "k", Bodies: [][]byte{{1, 2}}, Rate: 100})
		if err != nil || string(got.Verdict)+": "+got.Reason != want {
			t.Errorf("%q, and not %q: %v", string(got.Verdict)+": "+got.Reason, want, err)
		}
		for _, a := range asked {
			if a.Rate != 50 || len(a.Bodies) != 1 || a.Key != "k" {
				t.Errorf("it was asked for %+v", a)
			}
		}
	}
}
