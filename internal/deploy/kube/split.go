package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"mlx/internal/deploy"
)

// split is who really gets which share. Until whoever carries the traffic has said that it does what the anchor asks for, nobody knows: the
// shares are empty then, and trouble says what is waited for.
func (v *Driver) split(ctx context.Context, now *held) (shares map[string]deploy.Share, trouble string) {
	switch v.Settings.Form {
	case Gateway, Standard:
		if shares, trouble = v.splitRoute(now); trouble == "" {
			trouble = v.compareTrouble(ctx, now)
		}
	case Argo:
		shares, trouble = v.splitRollout(now)
	case Knative:
		return v.splitRevisions(now)
	}
	if trouble == "" {
		trouble = v.through(ctx)
	}
	if trouble != "" {
		return nil, trouble
	}
	return shares, ""
}

// splitRoute reads the weights of an HTTPRoute.
func (v *Driver) splitRoute(now *held) (map[string]deploy.Share, string) {
	var spec struct {
		Rules []struct {
			Refs []struct {
				Name   string `json:"name"`
				Weight *int   `json:"weight"`
			} `json:"backendRefs"`
		} `json:"rules"`
	}
	var status struct {
		Parents []struct {
			Controller string      `json:"controllerName"`
			Conditions []condition `json:"conditions"`
		} `json:"parents"`
	}
	if json.Unmarshal(now.Spec, &spec) != nil || len(now.Status) > 0 && json.Unmarshal(now.Status, &status) != nil {
		return nil, "httproute/" + v.name() + " cannot be read"
	}
	if len(status.Parents) == 0 {
		return nil, "no Gateway has taken httproute/" + v.name() + ": is there a Gateway " + v.Settings.Gateway + ", and does its controller run?"
	}
	for _, p := range status.Parents {
		for _, c := range p.Conditions {
			switch {
			case c.Type != "Accepted" && c.Type != "ResolvedRefs" && c.Type != "Programmed":
			case c.Observed < now.Metadata.Generation:
				return nil, fmt.Sprintf("%s has not seen httproute/%s as it is now: %s is of generation %d of %d", p.Controller, v.name(), c.Type, c.Observed, now.Metadata.Generation)
			case c.Status != "True" && !(c.Reason == "BackendNotFound" && len(now.desired.Arms) == 0):
				return nil, fmt.Sprintf("httproute/%s is not %s: %s: %s", v.name(), c.Type, c.Reason, c.Message)
			}
		}
	}
	if v.fresh(now) {
		return nil, "httproute/" + v.name() + " was accepted, and its Gateway is given a moment to obey"
	}
	total, weights := 0, map[string]int{}
	for _, rule := range spec.Rules {
		for _, ref := range rule.Refs {
			w := 1
			if ref.Weight != nil {
				w = *ref.Weight
			}
			weights[ref.Name] += w
			total += w
		}
	}
	shares := map[string]deploy.Share{}
	for _, arm := range now.desired.Arms {
		if w := weights[v.Settings.backendOf(arm.Release)]; total > 0 {
			shares[arm.Release.Key] = deploy.Share((w*int(deploy.All) + total/2) / total)
		}
	}
	return shares, ""
}

// fresh says that an anchor was changed so lately that a gateway may have accepted it and not obey yet: its controller says the former.
func (v *Driver) fresh(now *held) bool {
	since := v.Now().Sub(v.changed(now))
	return since >= -reachTime && since < reachTime
}

// splitRollout reads the status of a Rollout of Argo.
func (v *Driver) splitRollout(now *held) (map[string]deploy.Share, string) {
	var s struct {
		Observed string `json:"observedGeneration"`
		Phase    string `json:"phase"`
		Message  string `json:"message"`
		Abort    bool   `json:"abort"`
		Current  string `json:"currentPodHash"`
		Stable   string `json:"stableRS"`
		Step     *int   `json:"currentStepIndex"`
		Canary   struct {
			Weights *struct {
				Canary struct {
					Weight int `json:"weight"`
				} `json:"canary"`
			} `json:"weights"`
		} `json:"canary"`
	}
	if len(now.Status) > 0 && json.Unmarshal(now.Status, &s) != nil {
		return nil, "rollout/" + v.name() + " cannot be read"
	}
	arm, ok := chosen(now.desired)
	switch {
	case !ok:
		return map[string]deploy.Share{}, ""
	case s.Observed == "":
		return nil, "Argo Rollouts has not seen rollout/" + v.name() + ": does its controller run?"
	case s.Observed != strconv.FormatInt(now.Metadata.Generation, 10):
		return nil, "Argo Rollouts has not seen rollout/" + v.name() + " as it is now"
	case s.Phase == "Degraded" && !s.Abort:
		return nil, "rollout/" + v.name() + " is Degraded: " + s.Message
	}
	shares := map[string]deploy.Share{}
	stable, beside := armOf(now.desired, deploy.Stable)
	switch {
	case len(now.desired.Arms) == 1 && arm.Share == 0:
		return shares, "" // there is no route to it yet
	case s.Current == s.Stable || !beside:
		shares[arm.Release.Key] = deploy.All
		if s.Current != s.Stable {
			return nil, "Argo Rollouts starts " + arm.Release.Name() + ": " + cmp.Or(s.Message, s.Phase)
		}
	case stable.Release.Key == arm.Release.Key: // it goes back, or to the end
		return nil, "Argo Rollouts brings all to " + arm.Release.Name() + ": " + cmp.Or(s.Message, s.Phase)
	case s.Canary.Weights == nil:
		return nil, "Argo Rollouts has set no weights yet: " + cmp.Or(s.Message, s.Phase)
	default:
		share := deploy.Share(s.Canary.Weights.Canary.Weight * 100)
		shares[arm.Release.Key], shares[stable.Release.Key] = share, deploy.All-share
	}
	if s.Abort && arm.Role == deploy.Candidate && now.reverted == nil && now.desired.Generation > 0 && arm.Share > 0 {
		now.reverted = &reverted{Generation: now.generation, Reason: "Argo Rollouts has given it up: " + s.Message}
	}
	return shares, ""
}
