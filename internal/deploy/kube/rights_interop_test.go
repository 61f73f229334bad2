//go:build interop

package kube

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"mlx/internal/deploy"
	"mlx/internal/fault"
	"mlx/internal/kube"
)

// documented are the rules of the Role that docs/kubernetes.md asks for.
func documented(t *testing.T) list {
	t.Helper()
	text, err := os.ReadFile("../../../docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "The rights that mlx needs in the namespace:\n\n```yaml\nrules:\n")
	after, _, ok := strings.Cut(after, "```\n")
	if !ok {
		t.Fatal("docs/kubernetes.md has no Role")
	}
	line := regexp.MustCompile(`^- \{apiGroups: \[(.*?)\], resources: \[(.*?)\], verbs: \[(.*?)\]\}(   #.*)?$`)
	var rules list
	for one := range strings.Lines(after) {
		m := line.FindStringSubmatch(strings.TrimRight(one, "\n"))
		if m == nil {
			t.Fatalf("docs/kubernetes.md: %q is no rule", one)
		}
		words := func(text string) (all list) {
			for word := range strings.SplitSeq(text, ", ") {
				all = append(all, strings.Trim(word, `"`))
			}
			return all
		}
		rules = append(rules, object{"apiGroups": words(m[1]), "resources": words(m[2]), "verbs": words(m[3])})
	}
	return rules
}

// rightful is a user who has some rights in a namespace, and no others.
func rightful(t *testing.T, c *kube.Client, rules list) *kube.Client {
	t.Helper()
	for r, o := range map[kube.Resource]object{
		kube.Roles: {"kind": "Role", "metadata": object{"name": "deploys"}, "rules": rules},
		kube.RoleBindings: {"kind": "RoleBinding", "metadata": object{"name": "deploys"},
			"roleRef":  object{"apiGroup": kube.Roles.Group, "kind": "Role", "name": "deploys"},
			"subjects": list{object{"apiGroup": kube.Roles.Group, "kind": "User", "name": "limited"}}},
	} {
		o["apiVersion"] = "rbac.authorization.k8s.io/v1"
		if err := c.Apply(t.Context(), r, kube.Application{Object: o, Force: true}, nil); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(os.Getenv("MLX_TEST_KUBE_API"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), "admin-token", "limited-token")), 0o600); err != nil {
		t.Fatal(err)
	}
	other, err := kube.Open(kube.Config{Files: []string{file}, Namespace: c.Namespace(), Agent: "mlx/test"})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the rights are known", func() bool {
		may, err := other.MayI(t.Context(), "patch", kube.Deployments, "")
		return err == nil && may
	})
	return other
}

// TestInteropRights: whoever has the Role of docs/kubernetes.md, and no other right, may do all of a rollout, in every form.
func TestInteropRights(t *testing.T) {
	rules := documented(t)
	for _, form := range Forms() {
		t.Run(string(form), func(t *testing.T) {
			t.Parallel()
			admin := testNamespace(t)
			play(t, admin)
			c := rightful(t, admin, rules)
			s := light(form)
			s.Agent, s.Namespace = testSettings(form).Agent, c.Namespace()
			for i, scale := range []*Scale{nil, {Max: 5, Queue: 4}, {Max: 5, Queue: 4, Keda: form != Knative, Prometheus: "http://prometheus.monitoring:9090"}} {
				s.Scale = scale
				v := driverOf(t, c, s)
				first, step := servedOf(1), stepOf(500, uint64(4*i+2))
				first.Generation = uint64(4*i + 1)
				for _, d := range []deploy.Desired{first, step, stepOf(1000, step.Generation+1)} {
					if err := v.Apply(t.Context(), d); err != nil {
						t.Fatalf("%v\n%v", err, fault.Hints(err))
					}
					look(t, v)
				}
				back := servedOf(1)
				back.Generation = step.Generation + 2
				if err := v.Apply(t.Context(), back); err != nil {
					t.Fatal(err)
				}
				if err := c.Delete(t.Context(), kube.Leases, v.name(), kube.Removal{}); err != nil && !kube.Missing(err) {
					t.Error(err)
				}
				if err := v.prune(t.Context(), nil, false); err != nil {
					t.Error(err)
				}
			}
			for _, sub := range []string{"log", "proxy"} {
				if may, err := c.MayI(t.Context(), "get", kube.Pods, sub); err != nil || !may {
					t.Errorf("pods/%s: %t %v", sub, may, err)
				}
			}
		})
	}
}

// TestInteropRightsMissing: whoever may not give the guard its rights is told of rights, not of rules of the cluster.
func TestInteropRightsMissing(t *testing.T) {
	admin := testNamespace(t)
	play(t, admin)
	var some list
	for _, rule := range documented(t) {
		if r := rule.(object)["resources"].(list); r[0] != "poddisruptionbudgets" {
			some = append(some, rule)
		}
	}
	some = append(some, object{"apiGroups": list{"policy", "networking.k8s.io", "autoscaling"}, "verbs": list{"*"},
		"resources": list{"poddisruptionbudgets", "networkpolicies", "horizontalpodautoscalers"}}) // and no leases
	s := light(Gateway)
	s.Agent = testSettings(Gateway).Agent
	err := driverOf(t, rightful(t, admin, some), s).Apply(t.Context(), stepOf(0, 1))
	if fault.KindOf(err) != fault.Denied || kube.SideOf(err) != kube.SideRights || !strings.Contains(strings.Join(fault.Hints(err), "\n"), "docs/kubernetes.md") {
		t.Errorf("%v\n%v", err, fault.Hints(err))
	}
}
