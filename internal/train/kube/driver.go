// Package kube hides how a job runs on Kubernetes: as a batch/v1 Job whose pod waits for mlx, becomes its agent and stays
// until its results have been fetched. What a cluster calls things, and in how many places it says why something does not
// run, is known here only.
package kube

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/kube"
	"mlx/internal/train"
)

// ttl is how long Kubernetes keeps a job that has ended; its pods are what `mlx job logs` reads if the agent could not begin.
const ttl = 24 * time.Hour

// cleanGrace is the grace of what has nothing left to do.
const cleanGrace = 5 * time.Second

// Options are what a driver needs.
type Options struct {
	Client  *kube.Client
	Backend train.Backend
	Hold    time.Duration // how long a pod stays for its results; 0 is an hour
	// Agents is the file with the mlx for a system: linux, arm64.
	Agents func(os, arch string) (path string, err error)
}

// Driver is a namespace of a cluster as a backend.
type Driver struct {
	api     *kube.Client
	backend train.Backend
	hold    time.Duration
	agents  func(os, arch string) (string, error)
	root    string
}

// New makes a driver. It asks nobody.
func New(o Options) *Driver {
	d := &Driver{api: o.Client, backend: o.Backend, hold: o.Hold, agents: o.Agents, root: "/mlx"}
	if path.IsAbs(o.Backend.Dir) {
		d.root = path.Clean(o.Backend.Dir)
	}
	if d.hold == 0 {
		d.hold = time.Hour
	}
	return d
}

// Root is the folder of mlx in a pod.
func (d *Driver) Root() string { return d.root }

// Submit makes the Job, and what belongs to it. One that is there already gets what a client that died did not make.
func (d *Driver) Submit(ctx context.Context, j train.Job) (string, error) {
	j.Ref = j.Next()
	job, owned, err := d.build(j)
	if err != nil {
		return "", err
	}
	if err := d.allowed(ctx, job); err != nil {
		return "", err
	}
	var made jobObject
	err = d.api.Create(ctx, kube.Jobs, job, &made)
	if kube.Exists(err) {
		made = jobObject{}
		if err = d.api.Get(ctx, kube.Jobs, j.Name(), &made); err == nil && made.Metadata.Annotations[runLabel] != j.ID.Hex() {
			return "", fault.New(fault.Conflict, "cannot make Job %s: namespace %s has one of that name that is not of this run", j.Name(), d.api.Namespace()).
				Hint("kubectl -n %s get job %s -o yaml   # whose is it?", d.api.Namespace(), j.Name())
		}
	}
	if err != nil {
		return "", err
	}
	if ended, _, _ := made.end(); ended {
		owned = nil
	}
	for _, o := range owned {
		o["metadata"].(object)["ownerReferences"] = list{object{
			"apiVersion": "batch/v1", "kind": "Job", "name": made.Metadata.Name, "uid": made.Metadata.UID,
		}}
		r := kube.Secrets
		if o["kind"] == "Service" {
			r = kube.Services
		}
		if err := d.api.Create(ctx, r, o, nil); err != nil && !kube.Exists(err) {
			return "", err
		}
	}
	return d.api.Namespace() + "/" + j.Name(), nil
}

// allowed asks whether the cluster would take a pod of the job: a Job is taken with any pod, which then never comes. Where
// Pod Security asks for a user that is not root, the pod gets that.
func (d *Driver) allowed(ctx context.Context, job object) error {
	spec := job["spec"].(object)["template"].(object)
	name := job["metadata"].(object)["name"].(string)
	meta, _ := spec["metadata"].(object)
	try := func() error {
		pod := object{"apiVersion": "v1", "kind": "Pod", "spec": spec["spec"], "metadata": object{
			"name": name, "labels": meta["labels"], "annotations": meta["annotations"],
		}}
		err := d.api.Try(ctx, kube.Pods, pod)
		if kube.SideOf(err) == kube.SideAdmission || kube.SideOf(err) == kube.SideObject {
			return err
		}
		return nil // whoever may make jobs need not have the right to make pods; and a quota may have room later
	}
	err := try()
	if err == nil {
		return nil
	}
	text := err.Error()
	if strings.Contains(text, "dry run") { // a webhook that cannot be asked
		return nil
	}
	if inner, _ := spec["spec"].(object); inner != nil && strings.Contains(text, "runAsNonRoot") {
		context, _ := inner["securityContext"].(object)
		if context == nil {
			context = object{}
			inner["securityContext"] = context
		}
		if _, said := context["runAsNonRoot"]; !said {
			context["runAsNonRoot"] = true
			if err = try(); err == nil {
				return nil
			}
		}
	}
	if kube.SideOf(err) == kube.SideObject && strings.Contains(text, "already exists") {
		return nil
	}
	return err
}

// Describe is the objects that Submit makes, as JSON that kubectl apply takes, without the values of secrets.
func (d *Driver) Describe(j train.Job) (string, error) {
	job, owned, err := d.build(j)
	if err != nil {
		return "", err
	}
	items := list{job}
	for _, o := range owned {
		if data, ok := o["data"].(object); ok {
			for name := range data {
				data[name] = "" // a plan is shown to people, and kept
			}
		}
		items = append(items, o)
	}
	text, err := json.MarshalIndent(object{"apiVersion": "v1", "kind": "List", "items": items}, "", "  ")
	return string(text) + "\n", err
}

// Shell is the command that opens a shell in the pod of a job, in a folder of it.
func (d *Driver) Shell(j train.Ref, dir string) ([]string, error) {
	if _, below, ok := strings.Cut(dir, j.ID.Hex()); ok { // what is above is the same in every pod
		dir = d.dir(j) + below
	}
	argv := []string{"kubectl"}
	if name := d.api.Context(); name != "" {
		argv = append(argv, "--context", name)
	}
	script := `cd "$0" 2>/dev/null; command -v bash >/dev/null && exec bash; exec sh`
	return append(argv, "-n", d.api.Namespace(), "exec", "-it", "job/"+j.Name(), "-c", mainName, "--", "/bin/sh", "-c", script, dir), nil
}

// Logs reads what the container of the command has written, from a byte on. Before it begins there is nothing.
func (d *Driver) Logs(ctx context.Context, job train.Ref, from int64) (io.ReadCloser, error) {
	pods, err := d.pods(ctx, job)
	if err != nil {
		return nil, err
	}
	pod := first(pods, 0) // the newest, whichever Job made it
	if pod == nil || !pod.begun() {
		return io.NopCloser(strings.NewReader("")), nil
	}
	log, err := d.api.Logs(ctx, pod.Metadata.Name, kube.LogOptions{Container: mainName})
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, log, from); err != nil && !errors.Is(err, io.EOF) {
		log.Close()
		return nil, err
	}
	return log, nil
}

// Cancel gives the pods of a job the grace, and removes the Job. What belongs to the Job goes with it. One that has ended stays for those
// who want to look.
func (d *Driver) Cancel(ctx context.Context, job train.Ref, grace time.Duration) error {
	all, err := d.jobs(ctx, job)
	if err != nil {
		return err
	}
	seen := index(all)[job.ID.Hex()]
	if seen == nil {
		return nil
	}
	if ended, _, _ := seen.end(); ended {
		return nil
	}
	return d.remove(ctx, job, all, grace)
}

// Clean removes what a job has left, when everything of it has been fetched. A sidecar would keep it alive otherwise.
func (d *Driver) Clean(ctx context.Context, job train.Ref) error {
	all, err := d.jobs(ctx, job)
	if err != nil {
		return err
	}
	return d.remove(ctx, job, all, cleanGrace)
}

// jobs are the Jobs of a run: more than one where it was handed over again.
func (d *Driver) jobs(ctx context.Context, job train.Ref) (all jobList, err error) {
	err = d.api.List(ctx, kube.Jobs, kube.Select{Labels: selector([]train.Ref{job})}, &all)
	all.Items = slices.DeleteFunc(all.Items, func(j jobObject) bool { return j.Metadata.Annotations[runLabel] != job.ID.Hex() })
	return all, err
}

// remove deletes the pods first: those of a Job that is deleted get the grace of their specification, and a node that has begun to wait for
// that does not shorten it. A Job makes no pod anew for one that has not ended (podReplacementPolicy), but where a cluster does not know of
// that: hence the second time.
func (d *Driver) remove(ctx context.Context, job train.Ref, jobs jobList, grace time.Duration) error {
	if err := d.removePods(ctx, job, grace); err != nil {
		return err
	}
	for _, j := range jobs.Items {
		err := d.api.Delete(ctx, kube.Jobs, j.Metadata.Name, kube.Removal{Propagation: "Foreground"})
		if err != nil && !kube.Missing(err) {
			return err
		}
	}
	return d.removePods(ctx, job, grace)
}

func (d *Driver) removePods(ctx context.Context, job train.Ref, grace time.Duration) error {
	pods, err := d.pods(ctx, job)
	if err != nil {
		return err
	}
	for _, p := range pods {
		err := d.api.Delete(ctx, kube.Pods, p.Metadata.Name, kube.Removal{Grace: &grace, UID: p.Metadata.UID})
		if err != nil && !kube.Missing(err) && kube.SideOf(err) != kube.SideRights && fault.KindOf(err) != fault.Conflict {
			return err
		}
	}
	return nil
}

// pods are those of a job, of all of its nodes and starts.
func (d *Driver) pods(ctx context.Context, job train.Ref) ([]podObject, error) {
	var all podList
	err := d.api.List(ctx, kube.Pods, kube.Select{Labels: runLabel + "=" + job.ID.Hex()[:labelLength]}, &all)
	return all.Items, err
}
