//go:build interop

package kube

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/kube"
)

// TestInteropTidy: what was kept ready for a rollback ends with the first look after its time, and nothing else is touched.
func TestInteropTidy(t *testing.T) {
	c := testNamespace(t)
	play(t, c)
	d := servedOf(2)
	d.Generation, d.Arms = 1, append(d.Arms, deploy.Arm{Role: deploy.Previous, Release: testRelease(1), Replicas: 1, Until: time.Now().Add(time.Hour)})
	v := driverOf(t, c, light(Gateway))
	if err := v.Apply(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	until(t, "both are ready", func() bool {
		seen := look(t, v)
		return len(seen.Arms) == 2 && seen.Arms[0].Ready > 0 && seen.Arms[1].Ready > 0
	})
	if err := v.Tidy(t.Context()); err != nil || len(look(t, v).Arms) != 2 {
		t.Fatalf("it has an hour: %v", err)
	}

	later := light(Gateway)
	later.CPUs = 3 // mlx.yaml says something else by now
	o := driverOf(t, c, later).Options
	o.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	w := New(o)
	if err := w.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "one is left", func() bool { seen := look(t, w); return len(seen.Arms) == 1 && seen.Arms[0].Share == deploy.All })
	for _, r := range []kube.Resource{kube.Deployments, kube.Services, kube.Budgets} {
		var all struct {
			Items []struct {
				Metadata struct {
					Name       string `json:"name"`
					Generation int64  `json:"generation"`
				} `json:"metadata"`
			} `json:"items"`
		}
		if err := c.List(t.Context(), r, kube.Select{Labels: labelManager + "=mlx"}, &all); err != nil {
			t.Fatal(err)
		}
		if len(all.Items) != 1 || all.Items[0].Metadata.Name != nameOf("flights", testRelease(2).Key) || all.Items[0].Metadata.Generation > 1 {
			t.Errorf("%s: %+v", r.Plural, all.Items)
		}
	}
	if err := v.Apply(t.Context(), d); err != nil {
		t.Errorf("the same is asked for again: %v", err)
	}
}

// TestInteropFinish: a candidate that gets nothing any more keeps its servers as long as a gateway may still send to them.
func TestInteropFinish(t *testing.T) {
	c := testNamespace(t)
	play(t, c)
	sparing := func() *Driver {
		v := driverOf(t, c, light(Gateway))
		v.Spare = 0
		return v
	}
	v := sparing()
	candidate := nameOf("flights", testRelease(2).Key)
	there := func() bool {
		err := c.Get(t.Context(), kube.Deployments, candidate, nil)
		if err != nil && !kube.Missing(err) {
			t.Fatal(err)
		}
		return err == nil
	}
	back := servedOf(1)
	back.Generation = 7
	for _, d := range []deploy.Desired{stepOf(2000, 6), back} {
		if err := v.Apply(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	if !there() {
		t.Fatal("its servers ended with its share")
	}
	other := sparing() // whoever looks next
	if err := other.Tidy(t.Context()); err != nil || !there() {
		t.Fatalf("a look does not wait, and ends nothing too early: %v", err)
	}
	if err := v.Finish(t.Context(), func(int64) bool { return false }); err != nil || !there() {
		t.Fatalf("it was left to somebody else: %v", err)
	}
	before, told := time.Now(), 0
	if err := v.Finish(t.Context(), func(int64) bool { told++; return true }); err != nil || there() || told == 0 {
		t.Errorf("it is left over, and was waited for %d seconds: %v", told, err)
	}
	if took := time.Since(before); took > usualSpare+2*time.Second {
		t.Errorf("it took %s", took)
	}
	if seen := look(t, v); len(seen.Arms) != 1 || seen.Generation != 7 {
		t.Errorf("%+v", seen)
	}
	before = time.Now()
	if err := v.Finish(t.Context(), func(int64) bool { return true }); err != nil || time.Since(before) > 2*time.Second {
		t.Errorf("there is nothing to wait for: %v", err)
	}
}

// TestInteropTidyByHand: what a person has the route send requests to is not left over, whatever mlx has asked for.
func TestInteropTidyByHand(t *testing.T) {
	c := testNamespace(t)
	play(t, c)
	v := driverOf(t, c, light(Gateway))
	stable, candidate := nameOf("flights", testRelease(1).Key), nameOf("flights", testRelease(2).Key)
	v.Spare = time.Hour
	back := servedOf(1)
	back.Generation = 7
	for _, d := range []deploy.Desired{stepOf(2000, 6), back} {
		if err := v.Apply(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	var route struct {
		Spec json.RawMessage `json:"spec"`
	}
	if err := c.Get(t.Context(), kube.HTTPRoutes, "flights", &route); err != nil {
		t.Fatal(err)
	}
	turn := func(from, to string) {
		t.Helper()
		route.Spec = bytes.ReplaceAll(route.Spec, []byte(from), []byte(to))
		if err := c.Merge(t.Context(), kube.HTTPRoutes, "flights", object{"spec": route.Spec}, nil); err != nil {
			t.Fatal(err)
		}
	}
	turn(stable, candidate)
	tidied := func() bool {
		if err := driverOf(t, c, light(Gateway)).Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		return kube.Missing(c.Get(t.Context(), kube.Deployments, candidate, nil))
	}
	if tidied() {
		t.Fatal("it serves, and was ended")
	}
	turn(candidate, stable)
	until(t, "nobody needs it any more", tidied)
}

// TestInteropTakenBack: a candidate whose connections break loses its share, and that of a later generation does not.
func TestInteropTakenBack(t *testing.T) {
	c := testNamespace(t)
	play(t, c)
	v := driverOf(t, c, light(Gateway))
	d := stepOf(2000, 4)
	if err := v.Apply(t.Context(), stepOf(500, 5)); err != nil {
		t.Fatal(err)
	}
	if !v.takeBack(t.Context(), d, "breaks: it came late") || look(t, v).Reverted != nil {
		t.Error("a later generation was taken back")
	}
	if !v.takeBack(t.Context(), stepOf(500, 5), "breaks: the connection of the candidate broke 3 times") {
		t.Error("it is to be tried again")
	}
	until(t, "it is seen to be taken back", func() bool {
		seen := look(t, v)
		return seen.Reverted != nil && seen.Reverted.Generation == 5 && seen.Reverted.Reason == "breaks: the connection of the candidate broke 3 times" &&
			!seen.Reverted.At.After(time.Now()) && seen.Trouble == "" && seen.Arms[0].Share == deploy.All && seen.Arms[1].Share == 0
	})
}
