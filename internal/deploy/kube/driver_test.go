package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/kube"
)

// anchored is an anchor as a cluster tells it: what was asked for, and what its controller says.
func anchored(t *testing.T, s Settings, d deploy.Desired, status string) *held {
	t.Helper()
	all, err := Objects(s, d)
	if err != nil {
		t.Fatal(err)
	}
	o := all[len(all)-1]
	o["metadata"].(object)["generation"] = 4
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var h held
	if err := json.Unmarshal(text, &h); err != nil {
		t.Fatal(err)
	}
	h.Status = json.RawMessage(status)
	if err := h.read(); err != nil {
		t.Fatal(err)
	}
	return &h
}

// TestSplit: shares count when whoever carries the traffic says that it does what the anchor asks for now, in words of every form.
func TestSplit(t *testing.T) {
	step := stepOf(2000, 7)
	parent := func(generation, accepted string) string {
		return `{"parents":[{"controllerName":"gw","conditions":[{"type":"Accepted","status":"` + accepted + `","reason":"R","message":"M","observedGeneration":` + generation +
			`},{"type":"ResolvedRefs","status":"True","observedGeneration":` + generation + `}]}]}`
	}
	for name, test := range map[string]struct {
		form    Form
		status  string
		trouble string
	}{
		"a route that is taken":     {Gateway, parent("4", "True"), ""},
		"one that nobody has taken": {Gateway, ``, "no Gateway has taken httproute/flights"},
		"one that was taken before": {Gateway, parent("3", "True"), "has not seen httproute/flights as it is now"},
		"one that is refused":       {Gateway, parent("4", "False"), "is not Accepted: R: M"},
		"a route over KServe":       {Standard, parent("4", "True"), ""},
		"the mode that ignores it":  {Knative, `{"deploymentMode":"Standard","conditions":[{"type":"Ready","status":"True"}]}`, "runs in Standard mode"},
		"a Rollout with weights":    {Argo, `{"observedGeneration":"4","phase":"Paused","currentPodHash":"b","stableRS":"a","canary":{"weights":{"canary":{"weight":20}}}}`, ""},
		"one that is not seen":      {Argo, ``, "does its controller run?"},
		"one that was seen before":  {Argo, `{"observedGeneration":"3","phase":"Paused"}`, "as it is now"},
		"one that fails":            {Argo, `{"observedGeneration":"4","phase":"Degraded","message":"no pods"}`, "is Degraded: no pods"},
		"one that sets no weights":  {Argo, `{"observedGeneration":"4","phase":"Progressing","currentPodHash":"b","stableRS":"a"}`, "has set no weights yet"},
		"a revision":                {Knative, `{"deploymentMode":"Knative","conditions":[{"type":"Ready","status":"True"}],"components":{"predictor":{"latestReadyRevision":"r2","latestCreatedRevision":"r2","traffic":[{"revisionName":"r2","percent":20,"latestRevision":true},{"revisionName":"r1","percent":80}]}}}`, ""},
		"a revision that starts":    {Knative, `{"conditions":[{"type":"Ready","status":"False"}],"components":{"predictor":{"latestReadyRevision":"r1","latestCreatedRevision":"r2","traffic":[{"revisionName":"r2","percent":20,"latestRevision":true}]}}}`, "revision r2 is not ready"},
	} {
		s := testSettings(test.form)
		v := &Driver{Options: Options{Settings: s, Now: time.Now}}
		shares, trouble := v.split(t.Context(), anchored(t, s, step, test.status))
		switch {
		case test.trouble != "":
			if !strings.Contains(trouble, test.trouble) || len(shares) > 0 {
				t.Errorf("%s: %v, %q", name, shares, trouble)
			}
		case trouble != "" || shares[testRelease(1).Key] != 8000 || shares[testRelease(2).Key] != 2000:
			t.Errorf("%s: %v, %q", name, shares, trouble)
		}
	}
}

// TestCounts: a sum never falls, whether a pod goes, a meter starts again, or this process does, and nothing counts twice.
func TestCounts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "counts.json")
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	c := openCounts(file, nil)
	of := func(n int64) deploy.Counters { return deploy.Counters{Requests: n, Answers: n} }
	want := func(after string, n int64) {
		t.Helper()
		if got := c.sums()["k"]; got.Requests != n || got.Answers != n {
			t.Errorf("%s: %d requests, %d answers, not %d", after, got.Requests, got.Answers, n)
		}
	}
	there := func(uids ...string) {
		all := map[string]bool{}
		for _, uid := range uids {
			all[uid] = true
		}
		c.keep(t.Context(), all, now)
	}
	c.see("k", "a", of(10))
	c.see("k", "b", of(5))
	want("two pods", 15)
	c.see("k", "a", of(3))
	want("a meter that started again", 18)
	there("b")
	want("a pod that one look misses", 18)
	c.see("k", "a", of(4))
	there("a", "b")
	want("the same pod is there again", 19)
	there("b")
	c = openCounts(file, nil)
	c.see("k", "b", of(7))
	c.see("k", "c", of(1))
	want("another process", 22)
	now = now.Add(time.Hour)
	there("b", "c")
	want("a pod that is gone", 22)
	if _, kept := c.of["k"].Pods["a"]; kept {
		t.Error("a pod that went long ago is kept")
	}
	c.see("k", "a", of(4))
	want("a late word of it", 22)
}

// TestCountsOfTwo: what two processes have seen of the same pods is joined, whoever wrote last.
func TestCountsOfTwo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "counts.json")
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	var one sync.Mutex
	lock := func(context.Context) (func(), error) { one.Lock(); return one.Unlock, nil }
	of := func(n int64) deploy.Counters { return deploy.Counters{Requests: n, Answers: n} }
	a, b := openCounts(file, lock), openCounts(file, lock)
	all := map[string]bool{"p": true, "q": true, "r": true}
	a.see("k", "p", of(10))
	a.see("k", "q", of(1)) // which b never hears of
	a.keep(t.Context(), all, now)
	b.see("k", "p", of(12))
	b.see("k", "p", of(2)) // its meter began again
	b.see("k", "r", of(4))
	b.keep(t.Context(), all, now)
	a.see("k", "p", of(3))
	a.keep(t.Context(), all, now)
	b.keep(t.Context(), all, now)
	for name, c := range map[string]*counts{"the first": a, "the other": b, "the file": openCounts(file, lock)} {
		if got := c.sums()["k"].Requests; got != 12+3+1+4 {
			t.Errorf("%s knows of %d requests", name, got)
		}
	}
	gone := map[string]bool{"q": true, "r": true}
	a.keep(t.Context(), gone, now)
	a.keep(t.Context(), gone, now.Add(time.Hour)) // the pod is laid to the others, and b still knows it
	b.keep(t.Context(), gone, now.Add(time.Hour))
	for name, c := range map[string]*counts{"the first": a, "the other": b, "the file": openCounts(file, lock)} {
		if got := c.sums()["k"].Requests; got != 20 {
			t.Errorf("%s knows of %d requests after a pod ended", name, got)
		}
	}
	var each sync.WaitGroup
	for i := range 8 { // none of many who write at once takes anything from another
		each.Go(func() {
			c := openCounts(file, lock)
			c.see("many", strconv.Itoa(i), of(int64(i+1)))
			c.keep(t.Context(), map[string]bool{"0": true, "1": true, "2": true, "3": true, "4": true, "5": true, "6": true, "7": true}, now)
		})
	}
	each.Wait()
	if got := openCounts(file, lock).sums()["many"].Requests; got != 36 {
		t.Errorf("of 36 requests %d are known", got)
	}
	if text, err := os.ReadFile(file); err != nil || os.WriteFile(file, text[:len(text)/2], 0o600) != nil {
		t.Fatal(err)
	}
	a.keep(t.Context(), gone, now)
	if got := openCounts(file, lock).sums()["k"].Requests; got != 20 {
		t.Errorf("%d requests are known of a file that was damaged", got)
	}
}

// printing is a cluster whose containers have printed a line each.
func printing(t *testing.T) *kube.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "last words of "+r.URL.Query().Get("container")+"\n")
	}))
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf(`{"clusters":[{"name":"c","cluster":{"server":%q}}],"contexts":[{"name":"c","context":{"cluster":"c"}}],"current-context":"c"}`, server.URL)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := kube.Open(kube.Config{Files: []string{file}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestTroubles: what a cluster says of a pod, in one line.
func TestTroubles(t *testing.T) {
	v := &Driver{Options: Options{Settings: testSettings(Gateway)}, client: printing(t)}
	for text, want := range map[string]string{
		`{"conditions":[{"type":"PodScheduled","status":"False","message":"0/1 nodes are available: 1 Insufficient nvidia.com/gpu."}]}`: "pod p waits for a node: 0/1 nodes are available: 1 Insufficient nvidia.com/gpu.",
		`{"containerStatuses":[{"name":"server","state":{"waiting":{"reason":"ImagePullBackOff","message":"not found"}}}]}`:             "pod p: the image of its server cannot be pulled: not found",
		`{"containerStatuses":[{"name":"server","state":{"waiting":{"reason":"CreateContainerConfigError","message":"no secret"}}}]}`:   "pod p: server does not start: CreateContainerConfigError: no secret",
		`{"containerStatuses":[{"name":"server","restartCount":2,"state":{"running":{}},"lastState":{"terminated":{"reason":"OOMKilled","exitCode":137}}}]}`: "pod p: its server ended before " +
			"because it needed more memory than memory: of the service gives it: last words of server",
		// what asks the stages is ended and begun again while one of them does not get ready
		`{"containerStatuses":[{"name":"server","restartCount":1,"state":{"running":{}},"lastState":{"terminated":{"exitCode":0}}},
			{"name":"stage-large","restartCount":3,"state":{"waiting":{"reason":"CrashLoopBackOff"}},"lastState":{"terminated":{"exitCode":1}}}]}`: "pod p: its stage-large ended with status 1: last words of stage-large",
		`{"containerStatuses":[{"name":"server","restartCount":1,"state":{"running":{}},"lastState":{"terminated":{"exitCode":0}}},
			{"name":"stage-large","restartCount":3,"state":{"running":{}},"lastState":{"terminated":{"exitCode":1}}}]}`: "pod p: its stage-large ended before with status 1: last words of stage-large",
		`{"containerStatuses":[{"name":"server","restartCount":1,"state":{"running":{}},"lastState":{"terminated":{"exitCode":0}}}]}`: "pod p: its server ended before with status 0: last words of server",
		`{"phase":"Failed","reason":"Evicted","message":"the node was low on memory"}`:                                                "pod p has failed: the node was low on memory",
		`{"containerStatuses":[{"name":"server","state":{"waiting":{"reason":"ContainerCreating"}}}]}`:                                "",
		`{"containerStatuses":[{"name":"server","state":{"running":{}}}]}`:                                                            "",
	} {
		var p pod
		if err := json.Unmarshal([]byte(`{"metadata":{"name":"p"},"status":`+text+`}`), &p); err != nil {
			t.Fatal(err)
		}
		if got := v.troubleOf(t.Context(), p); got != want {
			t.Errorf("%s\n%s", text, got)
		}
	}
}

// TestImages: a mirror with the same bytes is told, and other bytes are no server of the release.
func TestImages(t *testing.T) {
	var told []string
	v := &Driver{Options: Options{Settings: testSettings(Gateway), Tell: func(text string) { told = append(told, text) }}, told: map[string]bool{}}
	r := testRelease(1)
	of := func(image, id string) pod {
		var p pod
		text := `{"metadata":{"name":"p"},"spec":{"containers":[{"name":"server","image":"` + image + `"}]},"status":{"containerStatuses":[{"name":"server","imageID":"` + id + `"}]}}`
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	mine := v.Settings.image(r)
	if why := v.otherImage(of(mine, mine), r); why != "" || len(told) > 0 {
		t.Error(why, told)
	}
	for range 2 {
		if why := v.otherImage(of("mirror.example/flights@"+r.Image, ""), r); why != "" {
			t.Error(why)
		}
	}
	if len(told) != 1 || !strings.Contains(told[0], "mirror.example/flights@") {
		t.Error(told)
	}
	if why := v.otherImage(of("mirror.example/flights:latest", ""), r); !strings.Contains(why, "not what was released") {
		t.Error(why)
	}
	if why := v.otherImage(of(mine, "registry.example/x@"+testRelease(2).Image), r); !strings.Contains(why, "was released") {
		t.Error(why)
	}
}

// TestImagesOfMlx: what counts, answers by stages and guards is held against what was put there, too.
func TestImagesOfMlx(t *testing.T) {
	s := testSettings(Gateway)
	v := &Driver{Options: Options{Settings: s}, told: map[string]bool{}, agent: s.Agent}
	for name, r := range map[string]deploy.Release{"one model": testRelease(1), "stages": testStages(1)} {
		all, err := Objects(s, deploy.Desired{Service: "flights", Arms: []deploy.Arm{{Role: deploy.Stable, Release: r, Share: deploy.All, Replicas: 1}}})
		if err != nil {
			t.Fatal(err)
		}
		of := func(image func(container, image string) string) (p pod) {
			for _, o := range all {
				if o["kind"] != "Deployment" {
					continue
				}
				text, err := json.Marshal(o["spec"].(object)["template"])
				if err != nil || json.Unmarshal(text, &p) != nil {
					t.Fatal(err)
				}
			}
			for i, c := range p.Spec.Containers {
				p.Spec.Containers[i].Image = image(c.Name, c.Image)
				p.Status.Containers = append(p.Status.Containers, container{Name: c.Name, ImageID: c.Image})
			}
			return p
		}
		var names []string
		whole := of(func(c, image string) string { names = append(names, c); return image })
		if why := v.otherImage(whole, r); why != "" || len(names) < 2 {
			t.Errorf("%s: %v: %s", name, names, why)
		}
		for _, bad := range names {
			rewritten := of(func(c, image string) string {
				if c == bad {
					return "mirror.example/other:latest"
				}
				return image
			})
			if why := v.otherImage(rewritten, r); !strings.Contains(why, "put image mirror.example/other:latest in place of") {
				t.Errorf("%s: %s is another one: %q", name, bad, why)
			}
			runs := of(func(_, image string) string { return image })
			for i, c := range runs.Status.Containers {
				if c.Name == bad {
					runs.Status.Containers[i].ImageID = "mirror.example/x@" + testRelease(7).Image
				}
			}
			if why := v.otherImage(runs, r); !strings.Contains(why, "runs the image "+testRelease(7).Image+" as its "+bad) {
				t.Errorf("%s: %s runs other bytes: %q", name, bad, why)
			}
		}
	}
}

// TestReached: a pod counts a moment after it is ready, when requests find it.
func TestReached(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for since, want := range map[time.Duration]bool{0: false, time.Second: false, 2 * time.Second: true, time.Hour: true, -time.Second: false, -time.Hour: true} {
		var p pod
		p.Status.Conditions = []condition{{Type: "Ready", Status: "True", Since: now.Add(-since)}}
		if p.reached(now) != want || !p.ready() {
			t.Errorf("ready since %s: %t", since, p.reached(now))
		}
	}
	if (pod{}).reached(now) {
		t.Error("a pod that is not ready is found")
	}
}
