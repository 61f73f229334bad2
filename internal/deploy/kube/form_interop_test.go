//go:build interop

package kube

import (
	"encoding/json"
	"strings"
	"testing"

	"mlx/internal/deploy"
	"mlx/internal/fault"
	"mlx/internal/kube"
)

// TestInteropArgoRoute: what mlx.yaml says of the route of a Rollout holds after the first deploy as well, and its weights stay those of Argo.
func TestInteropArgoRoute(t *testing.T) {
	c := testNamespace(t)
	s := light(Argo)
	d := stepOf(500, 1)
	if err := driverOf(t, c, s).Apply(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	weights := []map[string]any{{"op": "replace", "path": "/spec/rules/0/backendRefs/0/weight", "value": 95}, {"op": "replace", "path": "/spec/rules/0/backendRefs/1/weight", "value": 5}}
	if err := c.Patch(t.Context(), kube.HTTPRoutes, "flights", weights, nil); err != nil { // as its plugin does
		t.Fatal(err)
	}
	for i, change := range []func(*Settings){
		func(s *Settings) { s.Hostname, s.Path, s.Gateway = "eu.flights.example", "/eu", "infra/eu" },
		func(s *Settings) { s.Hostname, s.Gateway = "", "near" },
		func(s *Settings) { s.Path = "" },
	} {
		change(&s)
		d.Generation++
		v := driverOf(t, c, s)
		changes, err := v.Changes(t.Context(), d)
		if err != nil || !strings.Contains(said(changes), "change httproutes/flights") {
			t.Errorf("%d: a trial: %v %v", i, changes, err)
		}
		if err := v.Apply(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		var live object
		if err := c.Get(t.Context(), kube.HTTPRoutes, "flights", &live); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(live["spec"])
		if err != nil {
			t.Fatal(err)
		}
		namespace, name, named := strings.Cut(s.Gateway, "/")
		if !named {
			namespace, name = "", namespace
		}
		for word, there := range map[string]bool{`"hostnames":["` + s.Hostname + `"]`: s.Hostname != "", `"name":"` + name + `"`: true, `"namespace":"` + namespace + `"`: named,
			`"value":"` + s.prefix() + `"`: true, `"hostnames"`: s.Hostname != "", `"weight":95`: true, `"weight":5`: true} {
			if strings.Contains(string(text), word) != there {
				t.Errorf("%d: %s in %s", i, word, text)
			}
		}
		if changes, err := driverOf(t, c, s).Changes(t.Context(), d); err != nil || strings.Contains(said(changes), "httproutes") {
			t.Errorf("%d: it is as it should be: %v %v", i, changes, err)
		}
	}
}

func said(all []Change) string {
	var words []string
	for _, c := range all {
		words = append(words, c.Do+" "+c.What)
	}
	return strings.Join(words, ", ")
}

// TestInteropOtherForm: a service keeps its form as long as it is there in it.
func TestInteropOtherForm(t *testing.T) {
	for _, form := range Forms() {
		t.Run(string(form), func(t *testing.T) {
			t.Parallel()
			c := testNamespace(t)
			play(t, c)
			d := servedOf(1)
			d.Generation = 1
			if err := driverOf(t, c, light(form)).Apply(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			d.Generation = 2
			for _, other := range Forms() {
				v := driverOf(t, c, light(other))
				_, trial := v.Changes(t.Context(), d)
				for name, err := range map[string]error{"a trial": trial, "a deploy": v.Apply(t.Context(), d)} {
					hints := strings.Join(fault.Hints(err), "\n")
					if other == form && err != nil {
						t.Errorf("%s of the same form: %v", name, err)
					}
					if other != form && (fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error(), "has it in the form "+form.word()) || !strings.Contains(hints, "form: "+form.word())) {
						t.Errorf("%s in the form %s: %v\n%s", name, other, err, hints)
					}
				}
			}
		})
	}
}

// TestInteropExportApplied: an export that somebody has applied with kubectl is taken over by the next deploy, and a rollback is not refused for it.
func TestInteropExportApplied(t *testing.T) {
	for _, form := range Forms() {
		t.Run(string(form), func(t *testing.T) {
			t.Parallel()
			c := testNamespace(t)
			play(t, c)
			s := light(form)
			s.Namespace = c.Namespace()
			kubectl, err := kube.Open(kube.Config{Files: []string{kubeconfig()}, Namespace: c.Namespace(), Agent: "kubectl-client-side-apply"})
			if err != nil {
				t.Fatal(err)
			}
			all, err := Objects(s, servedOf(1))
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range all { // as kubectl apply does where there is none
				text, err := json.Marshal(o)
				if err != nil {
					t.Fatal(err)
				}
				meta := o["metadata"].(object)
				notes, _ := meta["annotations"].(object)
				if notes == nil {
					notes = object{}
					meta["annotations"] = notes
				}
				notes[noteLastApplied] = string(text) + "\n"
				if err := kubectl.Create(t.Context(), resourceOf(o), o, nil); err != nil {
					t.Fatal(err)
				}
			}
			v := driverOf(t, c, s)
			if seen := look(t, v); seen.Generation != 0 || !strings.Contains(seen.Trouble, "an export that somebody has applied") {
				t.Errorf("it is there: %s", shown(seen))
			}
			s.Hostname = "other.example"
			first, back := servedOf(1), servedOf(1)
			first.Generation, first.Arms[0].Replicas, back.Generation = 5, 3, 7
			for _, d := range []deploy.Desired{first, stepOf(500, 6), back} {
				v := driverOf(t, c, s)
				if _, err := v.Changes(t.Context(), d); err != nil {
					t.Errorf("a trial of generation %d: %v\n%v", d.Generation, err, fault.Hints(err))
				}
				if err := v.Apply(t.Context(), d); err != nil {
					t.Fatalf("generation %d: %v\n%v", d.Generation, err, fault.Hints(err))
				}
				h, err := v.anchor(t.Context())
				if err != nil || h.generation != d.Generation || h.exported() || h.intruder() != "" {
					t.Errorf("generation %d: %+v %v", d.Generation, h, err)
				}
			}
		})
	}
}
