package main

import (
	"strings"
	"time"

	"mlx/internal/drift"
	"mlx/internal/object"
	"mlx/internal/repo"
)

// before says of what was started for an earlier window of the same finding how far it is: "retraining is fe5be34e9d64 (succeeded), started
// for 8c2511fd30aa; not again before 2013-08-07". Empty for everything else.
func (d driftTold) before(a actionView) string {
	if a.New || a.Cause == "" || d.Record.IsZero() || a.Cause == d.Record.Hex() {
		return ""
	}
	if a.State != drift.ActionSucceeded && a.State != drift.ActionStarted && (a.State != drift.ActionFailed || a.Run == nil) {
		return ""
	}
	said := a.What
	switch {
	case strings.HasPrefix(a.What, repo.ActionRepro+" "):
		said = "retraining"
	case strings.HasPrefix(a.What, repo.ActionRun+" "):
		said = "the run"
	}
	if a.Run != nil {
		said += " is " + shortHex(*a.Run)
	}
	state := string(a.State)
	if a.State == drift.ActionStarted {
		state = "at work"
	}
	said += " (" + state + "), started for " + shortHex(a.Cause)
	if a.Until.After(d.Answer.AsOf) {
		said += "; not again before " + a.Until.UTC().Format(time.DateOnly)
	}
	return said
}

// shortHex is the beginning of a digest as lists show it.
func shortHex(hex string) string {
	id, err := object.ParseDigest(hex)
	if err != nil {
		return hex
	}
	return id.Short()
}
