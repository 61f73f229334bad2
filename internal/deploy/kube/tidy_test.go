package kube

import (
	"encoding/json"
	"testing"
	"time"

	"mlx/internal/deploy"
)

// TestOver: a release whose time is over goes out of the route, and whoever asks for the shares again asks for the same.
func TestOver(t *testing.T) {
	now := time.Unix(1e9, 0)
	d := deploy.Desired{Service: "flights", Generation: 9, Arms: []deploy.Arm{
		{Role: deploy.Stable, Release: testRelease(2), Share: deploy.All, Replicas: 2},
		{Role: deploy.Previous, Release: testRelease(1), Replicas: 2, Until: now.Add(time.Minute)},
	}}
	s := testSettings(Gateway)
	v := &Driver{Options: Options{Settings: s, Now: func() time.Time { return now }}}
	held := anchored(t, s, d, ``)
	if gone := v.over(held.desired); len(gone) != 0 {
		t.Fatalf("%v has a minute left", gone)
	}
	now = now.Add(2 * time.Minute)
	gone := v.over(held.desired)
	if len(gone) != 1 || gone[0].Release.Key != testRelease(1).Key {
		t.Fatal(gone)
	}
	patch, err := v.without(held, gone)
	if err != nil {
		t.Fatal(err)
	}
	refs := patch["spec"].(object)["rules"].([]object)[0]["backendRefs"].(list)
	if len(refs) != 1 || refs[0].(object)["name"] != s.backendOf(testRelease(2)) {
		t.Error(refs)
	}
	if err := json.Unmarshal([]byte(patch["metadata"].(object)["annotations"].(object)[noteDesired].(string)), &held.desired); err != nil {
		t.Fatal(err)
	}
	if len(held.desired.Arms) != 1 || held.later(d) {
		t.Errorf("it is taken for another state: %v", held.desired.Arms)
	}
	d.Arms[0].Release = testRelease(3)
	if !held.later(d) {
		t.Error("another release in the same generation is taken for the same")
	}
}

// TestLull: a release that is still asked is kept until it has not been for a while, and two minutes at most.
func TestLull(t *testing.T) {
	at := time.Unix(1e9, 0)
	l := lull{begun: at}
	look := func(after time.Duration, asked int64, want time.Duration) {
		t.Helper()
		if got := l.left(at.Add(after), asked); got != want {
			t.Errorf("after %s and %d requests: %s, and not %s", after, asked, got, want)
		}
	}
	look(0, 900, 0) // what it had before
	look(time.Second, 900, 0)
	look(2*time.Second, 901, usualSpare)
	look(4*time.Second, 901, usualSpare-2*time.Second)
	look(5*time.Second, 950, usualSpare)
	look(11*time.Second, 950, 0)
	look(116*time.Second, 951, 4*time.Second)
	look(120*time.Second, 999, 0)
}

// TestProgrammed: what a Gateway says of itself, and what its class can do.
func TestProgrammed(t *testing.T) {
	all := []condition{{Type: "Accepted", Status: "True"}, {Type: "Programmed", Status: "False", Reason: "AddressNotAssigned", Message: "no address"}}
	if why := notProgrammed("infra/public", all); why != "gateway/infra/public is not Programmed: AddressNotAssigned: no address" {
		t.Error(why)
	}
	all[1].Status = "Unknown"
	if why := notProgrammed("infra/public", all); why != "" {
		t.Error(why)
	}
	for text, want := range map[string]string{`{"name":"HTTPRouteRequestMirror"}`: "HTTPRouteRequestMirror", `"Gateway"`: "Gateway", `7`: ""} {
		if got := featureName(json.RawMessage(text)); got != want {
			t.Errorf("%s: %q", text, got)
		}
	}
}
