//go:build interop

package kube

import (
	"strings"
	"testing"

	"mlx/internal/deploy"
	"mlx/internal/kube"
)

// TestInteropCompared: until somebody compares what copies are answered, the step of the copies does not count and the pod is named; when the step
// is over, nothing of it is left.
func TestInteropCompared(t *testing.T) {
	c := testNamespace(t)
	play(t, c)
	s := light(Gateway)
	s.Agent = testSettings(Gateway).Agent // which no node finds
	v := driverOf(t, c, s)
	if err := v.Apply(t.Context(), twice(1)); err != nil {
		t.Fatal(err)
	}
	until(t, "the pod that compares is waited for", func() bool {
		seen := look(t, v)
		at := strings.Contains(seen.Trouble, "flights-compare-") && !strings.Contains(seen.Trouble, "deployment/")
		return at && seen.Generation == 1 && len(seen.Arms) == 2 && seen.Arms[0].Share == 0
	})
	there := func() (all []string) {
		for _, r := range []kube.Resource{kube.Deployments, kube.Services, kube.NetworkPolicies, kube.ServiceAccounts, kube.Roles, kube.RoleBindings} {
			if err := c.Get(t.Context(), r, "flights-compare", nil); err == nil {
				all = append(all, r.Plural)
			} else if !kube.Missing(err) {
				t.Fatal(err)
			}
		}
		return all
	}
	if all := there(); len(all) != 6 {
		t.Errorf("of what compares there is %v", all)
	}
	step := twice(2)
	step.Mirror, step.Arms[0].Share, step.Arms[1].Role, step.Arms[1].Share = 0, deploy.All-500, deploy.Candidate, 500
	until(t, "nothing of it is left", func() bool {
		if err := v.Apply(t.Context(), step); err != nil {
			t.Fatal(err)
		}
		return len(there()) == 0
	})
	until(t, "the next step counts", func() bool { seen := look(t, v); return seen.Trouble == "" && seen.Arms[0].Share == deploy.All-500 })
}
