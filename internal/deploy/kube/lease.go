package kube

import (
	"context"
	"strconv"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/fault"
	"mlx/internal/kube"
)

// lease is who controls the rollout of a service, as the cluster tells it.
type lease struct {
	Metadata struct {
		ResourceVersion string            `json:"resourceVersion"`
		Annotations     map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		Holder  string    `json:"holderIdentity"`
		Seconds int       `json:"leaseDurationSeconds"`
		Renewed time.Time `json:"renewTime"`
	} `json:"spec"`
}

// end is when it is over, if nobody renews it.
func (l *lease) end() time.Time {
	return l.Spec.Renewed.Add(time.Duration(l.Spec.Seconds) * time.Second)
}

// keeps says whether somebody else has it. Who has taken the rollout on to a later generation is the one who controls it.
func (l *lease) keeps(holder string, generation uint64, now time.Time) bool {
	if l == nil || l.Spec.Holder == holder || l.Spec.Holder == "" || !now.Before(l.end()) {
		return false
	}
	of, err := strconv.ParseUint(l.Metadata.Annotations[noteGeneration], 10, 64)
	return err == nil && of >= generation
}

// microTime is how a Lease writes time.
const microTime = "2006-01-02T15:04:05.000000Z07:00"

// renew says that this one controls the rollout, until the lease is over, and what is to be done then. It is written only if nobody else has written
// it since it was read, and not while somebody else has it: of two controllers one has it.
func (v *Driver) renew(ctx context.Context, d deploy.Desired) error {
	if d.Lease == 0 {
		return nil
	}
	revert, err := v.settings().revert(v.client, d)
	if err != nil {
		return err
	}
	v.mu.Lock()
	v.renewed = true
	v.mu.Unlock()
	l, err := v.cachedLease(ctx)
	var refused error
	for range obeyTries {
		if err != nil {
			return v.explain(err, kube.Leases)
		}
		now := v.Now()
		if l.keeps(v.Holder, d.Generation, now) {
			return fault.New(fault.Conflict, "cannot go on with %s: %s controls its rollout, and has %s left of its lease", v.Settings.Service, l.Spec.Holder,
				l.end().Sub(now).Round(time.Second)).Hint("mlx service abort %s   # which everybody may do at any time", v.Settings.Service)
		}
		meta := object{"name": v.name(), "labels": v.Settings.labels(guardName, nil), "annotations": object{noteRevert: revert, noteService: v.Settings.Service,
			noteGeneration: strconv.FormatUint(d.Generation, 10)}}
		o := object{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta,
			"spec": object{"holderIdentity": v.Holder, "leaseDurationSeconds": max(seconds(d.Lease), 1), "renewTime": now.UTC().Format(microTime)}}
		if l == nil {
			refused = v.client.Create(ctx, kube.Leases, o, nil)
		} else {
			meta["resourceVersion"] = l.Metadata.ResourceVersion
			refused = v.client.Apply(ctx, kube.Leases, kube.Application{Object: o, Force: true}, nil)
		}
		if !kube.Changed(refused) && !kube.Exists(refused) {
			return v.explain(refused, kube.Leases)
		}
		l, err = v.lease(ctx)
	}
	return v.explain(refused, kube.Leases)
}

// lease reads it from the API server; nil: there is none.
func (v *Driver) lease(ctx context.Context) (*lease, error) {
	var l lease
	err := v.client.Get(ctx, kube.Leases, v.name(), &l)
	if kube.Missing(err) {
		return nil, nil
	}
	return &l, err
}

// cachedLease is the one that the cluster has told of last; nil: there is none.
func (v *Driver) cachedLease(ctx context.Context) (*lease, error) {
	var l lease
	if there, err := v.heard(ctx, kube.Leases, v.name(), &l); err != nil || !there {
		return nil, err
	}
	return &l, nil
}

// leaseEnd is when the lease was over; zero: there is none.
func (v *Driver) leaseEnd(ctx context.Context) time.Time {
	l, err := v.cachedLease(ctx)
	if err != nil || l == nil {
		return time.Time{}
	}
	return l.end()
}
