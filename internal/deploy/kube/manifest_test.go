package kube

import (
	"strings"
	"testing"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/fault"
	"mlx/internal/kube"
)

// TestFollowed: a file that a cluster follows has no guard, and says its generation.
func TestFollowed(t *testing.T) {
	v := &Driver{Options: Options{Settings: testSettings(Gateway), Now: func() time.Time { return time.Unix(1e9, 0) }}}
	text, err := v.Manifest(stepOf(500, 12), Filed{})
	if err != nil || strings.Contains(text, "guard") || !strings.Contains(text, "PruneLast") {
		t.Errorf("%v\n%s", err, text)
	}
	if f, err := ReadManifest(text); f.Generation != 12 || err != nil {
		t.Error(f.Generation, err)
	}
	if f, err := ReadManifest("a: 1\n"); f.Generation != 0 || err != nil {
		t.Error(f.Generation, err)
	}
	if f, err := ReadManifest("  " + noteGeneration + `: "7"` + "\n"); f.Generation != 7 || err != nil {
		t.Error("without its plan:", f.Generation, err)
	}
	for _, bad := range []string{`"{"`, `"x"`} {
		if _, err := ReadManifest("  " + noteGeneration + `: "1"` + "\n  " + noteDesired + ": " + bad + "\n"); fault.KindOf(err) != fault.Integrity {
			t.Errorf("a plan of %s: %v", bad, err)
		}
	}
	var h held
	h.Metadata.Managed = []managed{{Manager: kube.Manager, Fields: object{"f:spec": object{"f:rules": object{}}}},
		{Manager: "traefik", Subresource: "status", Fields: object{"f:status": object{}}}}
	if who := h.intruder(); who != "" {
		t.Errorf("%s writes what is its own", who)
	}
	h.Metadata.Managed = append(h.Metadata.Managed, managed{Manager: "argocd-controller", Fields: object{"f:spec": object{"f:rules": object{}}}})
	if who := h.intruder(); who != "argocd-controller" {
		t.Errorf("it is %q that undoes", who)
	}
}

// TestFollowedKeeps: a release that a file gives requests to stays in it beside the next state, until it is written anew; one that was only kept
// ready does not.
func TestFollowedKeeps(t *testing.T) {
	v := &Driver{Options: Options{Settings: testSettings(Gateway), Now: func() time.Time { return time.Unix(1e9, 0) }}}
	file := func(d deploy.Desired, had string) string {
		before, err := ReadManifest(had)
		if err != nil {
			t.Fatal(err)
		}
		text, err := v.Manifest(d, before)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	back := func(generation uint64) deploy.Desired {
		d := servedOf(1)
		d.Generation = generation
		return d
	}
	// of counts the documents that are of a release.
	of := func(text string, version int) (n int) {
		for _, doc := range strings.Split(text, "\n"+documentEnd) {
			if strings.Contains(doc, labelRelease+": "+scalar(labelOf(testRelease(version).Key))+"\n") {
				n++
			}
		}
		return n
	}
	step := file(stepOf(500, 12), "")
	kept := file(back(13), step)
	if of(step, 2) < 3 || of(kept, 2) != of(step, 2) || of(kept, 1) != of(step, 1) {
		t.Errorf("%d and %d documents of v2, %d and %d of v1", of(step, 2), of(kept, 2), of(step, 1), of(kept, 1))
	}
	route := kept[strings.LastIndex(kept, documentEnd):]
	if !strings.Contains(route, "kind: HTTPRoute") || strings.Contains(route, nameOf("flights", testRelease(2).Key)) {
		t.Errorf("the route is not the last, or still names v2:\n%s", route)
	}
	if again := file(back(13), kept); again != kept {
		t.Errorf("asked for again it is another one:\n%s", again)
	}
	if later := file(back(14), kept); of(later, 2) != of(step, 2) {
		t.Error("what is kept ends with the next state")
	}
	if alone := file(back(13), ""); of(alone, 2) != 0 || alone == kept {
		t.Errorf("%d documents of v2 in a file that is new", of(alone, 2))
	}
	ready := back(15)
	ready.Arms = append(ready.Arms, deploy.Arm{Role: deploy.Previous, Release: testRelease(2), Until: time.Unix(1e9+1, 0)})
	if idle := file(ready, ""); of(idle, 2) == 0 || of(file(back(16), idle), 2) != 0 {
		t.Error("what was only kept ready for a rollback gets no requests")
	}
}
